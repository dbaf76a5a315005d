"""Whether an error is a lack of memory."""

from typing import Final

import torch

# What torch says where memory is not a GPU's: of an amount that is not there, or that is no amount.
_TOLD: Final = ("allocate memory", "Storage size calculation overflowed")


def is_out_of_memory(error: BaseException) -> bool:
    """Tell a lack of memory; on the CPU torch has no type of its own for it."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _TOLD)
