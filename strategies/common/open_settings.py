"""Settings that methods share whose clients are taught on open data."""

from typing import Literal, TypeVar

from pydantic import Field

from strategies.common.settings import Settings


class OpenDataSettings(Settings):
    """What a round asks about, and how clients learn what all answers came to.

    Attributes
    ----------
    samples_per_round : int
        Open samples that a round asks about, drawn anew each time; 0 asks about all.
    distill_optimiser : str
        ``"sgd"`` without momentum, or ``"adam"``, whose moments go on from round to round.
    distill_learning_rate : float
        Its step size.
    distill_batch_size, distill_epochs : int
        Open samples per step, and passes over those of a round.
    """

    samples_per_round: int = Field(ge=0)
    distill_optimiser: Literal["sgd", "adam"]
    distill_learning_rate: float = Field(gt=0)
    distill_batch_size: int = Field(ge=2)
    distill_epochs: int = Field(ge=1)


AnyOpenSettings = TypeVar("AnyOpenSettings", bound=OpenDataSettings)
