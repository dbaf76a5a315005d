"""Kind and range of the values that samples hold, by which unlike scales are told apart."""

from collections.abc import Iterable

import torch
from torch import Tensor

from strategies.common.meaning import BYTES, FLOATS, READINGS, ValueRange


def range_of(inputs: Iterable[Tensor]) -> ValueRange | None:
    """Return kind and range of inputs; ``None`` of tokens, and where there are none.

    Parameters
    ----------
    inputs : Iterable[Tensor]
        (samples, ...) each, all of one kind; see ``Samples``.
    """
    parts = [part for part in inputs if part.numel()]
    if not parts or parts[0].dtype == torch.int64:
        return None
    kind = FLOATS if parts[0].ndim == 4 else READINGS
    if parts[0].dtype == torch.uint8:
        kind = BYTES
    lowest = min(float(part.min()) for part in parts)
    return ValueRange(kind, lowest, max(float(part.max()) for part in parts))
