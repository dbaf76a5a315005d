"""Clients that train a model all have alike beside their own, each the teacher of the other."""

from collections.abc import Mapping
from typing import Final, Literal

from pydantic import Field
from torch import Tensor
from torch.nn import functional

from strategies.common.auxiliary import AuxiliarySettings
from strategies.common.distillation import divergence
from strategies.common.presentation import Measured

LOSSES: Final = (
    Measured(
        "Divergence of a client's two models (nats)",
        {"from_shared": "its own from the shared", "from_own": "the shared from its own"},
        "Good: falling; high ones say that the shared model knows little of the client's labels.",
    ),
    Measured(
        "Cross-entropy of the shared model on the client's samples (nats)",
        {"shared_cross_entropy": "while it learns"},
        "Good: falling from round to round.",
    ),
)


class MutualSettings(AuxiliarySettings):
    """How two models teach each other, beside which model is shared.

    Attributes
    ----------
    detach : bool
        Whether a teacher learns nothing from teaching; false is HtFLlib's.
    reduction : str
        A divergence is the mean over the ``"batch"``, or over all its ``"entries"`` (HtFLlib).
    max_norm : float
        Largest gradient norm of each model; 0 does not clip.
    """

    detach: bool
    reduction: Literal["batch", "entries"]
    max_norm: float = Field(ge=0)

    def taught(self, value: Tensor) -> Tensor:
        """Return a teacher's value, without gradient unless it is to learn from teaching."""
        return value.detach() if self.detach else value


def mutual_losses(
    settings: MutualSettings, own: Tensor, shared: Tensor, labels: Tensor
) -> Mapping[str, Tensor]:
    """Return the four losses of two models, by name.

    Parameters
    ----------
    settings : MutualSettings
        Of the divergences.
    own, shared : Tensor
        (batch, class) logits of the client's own model and of the shared one.
    labels : Tensor
        (batch,) int64.
    """
    entries = own.shape[1] if settings.reduction == "entries" else 1
    return {
        "cross_entropy": functional.cross_entropy(own, labels),
        "from_shared": divergence(own, settings.taught(shared)) / entries,
        "shared_cross_entropy": functional.cross_entropy(shared, labels),
        "from_own": divergence(shared, settings.taught(own)) / entries,
    }
