"""Memory that the layers of a network take turns in."""

import math
from typing import final

import torch
from torch import Tensor


@final
class Workspace:
    """Buffers by what they are for, each as large as the largest use so far.

    Layers of one pass need the same few buffers one after another. On a CPU, fresh memory
    costs about as much as a pass of arithmetic over it, since the system clears every page.
    """

    def __init__(self) -> None:
        self._buffers: dict[str, Tensor] = {}

    def take(self, role: str, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """Return memory of a shape, with the type and device of ``like``.

        It holds anything, and what was taken for the role before is overwritten.
        """
        count = math.prod(shape)
        buffer = self._buffers.get(role)
        if buffer is None or len(buffer) < count:
            buffer = torch.empty(count, dtype=like.dtype, device=like.device)
            self._buffers[role] = buffer
        return buffer[:count].view(shape)
