"""The memory: keys of the last steps, which queries are told from."""

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional


@final
class Memory(nn.Module):
    """A ring of unit vectors (the queue Q), shared by all clients.

    Parameters
    ----------
    size : int
        Keys that it holds (K).
    dim : int
        Width of a key (D).
    generator : torch.Generator
        Draws the directions that it starts with.

    Attributes
    ----------
    rows : Tensor
        (size, dim) float32 of unit length; written over from the oldest on.
    written : Tensor
        () int64; keys written since the start of the run.
    """

    rows: Tensor
    written: Tensor

    def __init__(self, size: int, dim: int, generator: torch.Generator) -> None:
        super().__init__()
        drawn = torch.randn(size, dim, generator=generator)
        self.register_buffer("rows", functional.normalize(drawn))
        self.register_buffer("written", torch.zeros((), dtype=torch.int64))

    def enqueue(self, keys: Tensor) -> None:
        """Write keys over the oldest rows.

        Parameters
        ----------
        keys : Tensor
            (keys, dim) of unit length, in the order in which they age; of more keys than
            there are rows, the last ones stay.
        """
        size = len(self.rows)
        # Positions are computed where the rows are: a GPU need not be waited for.
        places = (self.written + torch.arange(len(keys), device=self.rows.device)) % size
        self.rows.index_copy_(0, places[-size:], keys[-size:])
        self.written += len(keys)

    def keys(self) -> Tensor:
        """Return the rows that were written: (keys, dim), at most all."""
        return self.rows[: min(int(self.written), len(self.rows))]
