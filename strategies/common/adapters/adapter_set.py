"""The bottleneck adapters of one network: one per site, and the vector that travels."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast, final

import torch
from torch import Tensor, nn

from strategies.common.adapters.bottleneck import Bottleneck, Initialisation
from strategies.common.adapters.sites import Site
from strategies.common.errors import ModelError


@final
@dataclass(frozen=True)
class AdapterShape:
    """What a set of adapters is made of; a server knows it without the network.

    Attributes
    ----------
    names : tuple[str, ...]
        Of the sites, each once, in the network's order.
    widths : tuple[int, ...]
        Width d of each site.
    rank : int
        Width r of all bottlenecks.

    Raises
    ------
    ModelError
        If names and widths do not match one another, or a number is below 1.
    """

    names: tuple[str, ...]
    widths: tuple[int, ...]
    rank: int

    def __post_init__(self) -> None:
        if not self.names or len(set(self.names)) != len(self.names):
            raise ModelError(f"adapter shape: expected names of sites, each once, got {self.names}")
        if len(self.widths) != len(self.names):
            raise ModelError(
                f"adapter shape: expected {len(self.names)} widths, one per site, got "
                f"{len(self.widths)}"
            )
        if self.rank < 1 or min(self.widths) < 1:
            raise ModelError(
                f"adapter shape: expected a rank and widths of at least 1, got rank {self.rank} "
                f"and widths {self.widths}"
            )

    @classmethod
    def at(cls, sites: Sequence[Site], rank: int) -> "AdapterShape":
        """Describe adapters of one rank at a network's sites."""
        return cls(tuple(site.name for site in sites), tuple(site.width for site in sites), rank)

    @property
    def num_parameters(self) -> int:
        """Sum of 2rd + r + d over the sites."""
        return sum(2 * self.rank * width + self.rank + width for width in self.widths)

    def keys(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """Return name and shape of every tensor, in the vector's order."""
        rank = self.rank
        return tuple(
            (f"{name}.{part}", shape)
            for name, width in zip(self.names, self.widths, strict=True)
            for part, shape in (
                ("down.weight", (rank, width)),
                ("down.bias", (rank,)),
                ("up.weight", (width, rank)),
                ("up.bias", (width,)),
            )
        )

    def digest(self) -> bytes:
        """Return 32 bytes that are equal where :meth:`keys` are: SHA-256 of their JSON."""
        return hashlib.sha256(json.dumps(self.keys()).encode()).digest()


@final
class AdapterSet(nn.Module):
    """One bottleneck per site, in order; iterated over, it is what an attachment uses.

    Parameters
    ----------
    shape : AdapterShape
        What it is made of.
    init : Initialisation
        How the weights start.
    generator : torch.Generator
        Source of the weights, on the CPU.
    """

    def __init__(
        self, shape: AdapterShape, init: Initialisation, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.shape = shape
        self.bottlenecks = nn.ModuleList(
            Bottleneck(width, shape.rank, init, generator) for width in shape.widths
        )

    @classmethod
    def from_vector(cls, shape: AdapterShape, vector: Tensor) -> "AdapterSet":
        """Build one that holds given parameters, on the CPU, as :meth:`load` does."""
        adapters = cls(shape, "zero-up", torch.Generator())
        adapters.load(vector)
        return adapters

    def __len__(self) -> int:
        """Return the number of sites."""
        return len(self.bottlenecks)

    def __iter__(self) -> Iterator[Bottleneck]:
        """Go through the sites in order."""
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Bottleneck:
        """Return the adapter of one site."""
        return cast("Bottleneck", self.bottlenecks[index])

    def vector(self) -> Tensor:
        """Return a copy of all parameters: (parameters,) float32, without gradients."""
        return nn.utils.parameters_to_vector(self.parameters()).detach().to(torch.float32)

    @torch.no_grad()
    def load(self, vector: Tensor) -> None:
        """Take over parameters that :meth:`vector` returned; nothing is shared with them.

        Parameters
        ----------
        vector : Tensor
            (parameters,) of any floating dtype, on any device.

        Raises
        ------
        ModelError
            If it has another length.
        """
        expected = (self.shape.num_parameters,)
        if tuple(vector.shape) != expected:
            raise ModelError(
                f"adapters of rank {self.shape.rank} at {len(self)} sites: expected a vector "
                f"{expected}, got {tuple(vector.shape)}; all parts of a federation need the "
                f"same backbone and rank"
            )
        parameters = list(self.parameters())
        parts = torch.split(vector, [parameter.numel() for parameter in parameters])
        # Copied: parameters that were views of the vector would move the copies that others
        # made of it, such as the adapter that FedDAT keeps frozen.
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.copy_(part.view_as(parameter))
