"""Settings that methods share whose clients are taught on open data."""

from typing import Literal, TypeVar

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from strategies.common.settings import NamedModel, RunSettings, Settings


class OpenDataSettings(Settings):
    """What a round asks about, and how clients learn what all answers came to.

    Attributes
    ----------
    samples_per_round : int
        Open samples that a round asks about, drawn anew each time; 0 asks about all, and one alone
        is too few for models that normalise batches.
    server_model : str
        The server's own model, which learns of open samples alone: one of ``models`` or of the
        zoo. Clients test it every ``evaluate-every`` rounds and in the last, as it was when the
        round began; empty keeps none.
    distill_optimiser : str
        ``"sgd"`` without momentum, or ``"adam"``, whose moments go on from round to round.
    distill_learning_rate : float
        Its step size.
    distill_batch_size, distill_epochs : int
        Open samples per step, and passes over those of a round.
    """

    samples_per_round: int = Field(ge=0)
    server_model: str
    distill_optimiser: Literal["sgd", "adam"]
    distill_learning_rate: float = Field(gt=0)
    distill_batch_size: int = Field(ge=2)
    distill_epochs: int = Field(ge=1)

    @field_validator("samples_per_round")
    @classmethod
    def _a_batch_or_all(cls, value: int) -> int:
        if value == 1:
            raise PydanticCustomError("a_batch", "Input should be 0, or at least 2")
        return value

    def named_model(self, run: RunSettings) -> NamedModel | None:
        """Return the server's own model, where it has one."""
        name = self.server_model
        return NamedModel(f"{run.method}.server-model", name) if name else None


class OpenDistributionSettings(OpenDataSettings):
    """How much of its distributions a client sends, beside that.

    Attributes
    ----------
    upload_top, upload_bits : int
        Likeliest classes that a client tells of each open sample, 0 for all, and bits of each
        probability; 32 are floating-point numbers. What is untold is taken as even.
    """

    upload_top: int = Field(ge=0, le=10_000)
    upload_bits: Literal[1, 2, 3, 4, 6, 8, 12, 16, 32]


AnyOpenSettings = TypeVar("AnyOpenSettings", bound=OpenDataSettings)
