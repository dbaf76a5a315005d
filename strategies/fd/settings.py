"""Settings of FD: the table ``fd``."""

from typing import final

from pydantic import Field

from strategies.common.settings import Settings


@final
class FDSettings(Settings):
    """How strongly FD distils.

    Attributes
    ----------
    distillation_weight : float
        Weight of the cross-entropy to the teacher's soft label beside that to the true label
        (gamma in algorithm 1, without a value in the paper); 0 makes FD the same as Local.
    """

    distillation_weight: float = Field(ge=0)
