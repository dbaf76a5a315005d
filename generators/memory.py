"""How many images memory holds."""

from collections.abc import Callable

import torch

# The rest is for what the allocator cannot use.
_SHARE = 0.8
# No GPU is idle with fewer.
_MOST = 32


def measure(draw_one: Callable[[], object], device: torch.device) -> int:
    """Return how many images fit into a GPU's free memory, from what one of them takes.

    Parameters
    ----------
    draw_one : Callable[[], object]
        Draws one image on the device.
    device : torch.device
        A GPU.
    """
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    draw_one()
    peak = torch.cuda.max_memory_allocated(device) - before
    torch.cuda.empty_cache()
    return fitting(torch.cuda.mem_get_info(device)[0], peak)


def fitting(free_bytes: int, bytes_per_image: int) -> int:
    """Return how many images fit: a power of two from 1 to 32.

    A power of two, so that a little more or less free memory changes nothing: images of
    another batch size differ in their last bits.

    Parameters
    ----------
    free_bytes : int
        Memory that can be had.
    bytes_per_image : int
        What drawing one image takes at most.
    """
    fits = int(_SHARE * free_bytes) // max(bytes_per_image, 1)
    return 1 << (min(max(fits, 1), _MOST).bit_length() - 1)
