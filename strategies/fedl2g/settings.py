"""Settings of FedL2G: the table ``fedl2g``."""

from typing import Literal, final

from pydantic import Field

from strategies.common.settings import RunSettings, Settings


@final
class FedL2GSettings(Settings):
    """What is guided, and how vectors are learnt.

    Attributes
    ----------
    guidance : str
        Vectors guide features (``"feature"``, FedL2G-f) or logits (``"logit"``, FedL2G-l).
    study_batches, quiz_batches : int
        Batches of the step that vectors are judged by, and batches that judge it; these are held
        out of training.
    warm_up_rounds : int
        Rounds in which vectors alone are learnt (50 in the authors' settings, of 1,000).
    server_learning_rate : float
        Of the vectors (eta_s).
    max_norm : float
        Largest norm of a client's gradients, and of those of all vectors; 0 does not clip.
    """

    guidance: Literal["feature", "logit"]
    study_batches: int = Field(ge=1)
    quiz_batches: int = Field(ge=1)
    warm_up_rounds: int = Field(ge=0)
    server_learning_rate: float = Field(gt=0)
    max_norm: float = Field(ge=0)

    def clash(self, run: RunSettings) -> str | None:
        """Refuse to do nothing but warm up."""
        if self.warm_up_rounds < run.rounds:
            return None
        return (
            f"warm-up-rounds: expected fewer than the {run.rounds} rounds of the run, since models "
            f"learn after them alone, got {self.warm_up_rounds}"
        )
