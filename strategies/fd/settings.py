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
        Weight of the cross-entropy to the teacher's soft label (gamma in algorithm 1); the
        cross-entropy to the true label has weight 1. The paper gives no value. Both terms
        are in nats per sample, so that 1 weighs them alike; 0 makes FD the same as Local.
    """

    distillation_weight: float = Field(ge=0)
