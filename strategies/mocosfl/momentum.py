"""The momentum update, on both sides: a model that follows another slowly."""

from collections.abc import Iterable

from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn


def follow(momentum: Iterable[Tensor], online: Iterable[Tensor], keep: float) -> None:
    """Move a momentum model towards the model it follows, in place and without a graph.

    Parameters
    ----------
    momentum : Iterable[Tensor]
        Parameters that follow.
    online : Iterable[Tensor]
        Parameters that are followed, of the same shapes.
    keep : float
        Part of the momentum model that stays (tau).
    """
    move = get_ema_multi_avg_fn(keep)  # type: ignore[no-untyped-call]
    move(list(momentum), list(online), 0)
