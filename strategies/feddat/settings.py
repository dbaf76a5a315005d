"""Settings of FedDAT: the table ``feddat``."""

from typing import Literal, final

from pydantic import Field

from strategies.common.settings import Settings


@final
class FedDATSettings(Settings):
    """How the two adapters teach each other, and which one answers.

    Attributes
    ----------
    alpha : float
        Weight of the shared adapter's distillation from the teacher (alpha).
    beta : float
        Weight of the teacher's distillation from the shared adapter (beta). Both are 1 in
        the release.
    temperature : float
        T of both distillations; 3 in the release.
    joint_step : bool
        Whether both losses share one optimiser step: 2 forward and 2 backward passes per
        batch in place of 3 and 2, and one step of the head in place of two.
    inference : str
        What a client's accuracy means. ``"shared"``: the aggregated adapter, as the paper
        deploys it. ``"teacher"``: the mean of the client's own adapter and the copy of the
        shared one that it last trained with. The journal has both.
    """

    alpha: float = Field(ge=0)
    beta: float = Field(ge=0)
    temperature: float = Field(gt=0)
    joint_step: bool
    inference: Literal["shared", "teacher"]
