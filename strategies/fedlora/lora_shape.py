"""Which linear layers LoRA adapts and how wide they are: all that a server needs to know.

LoRA (Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022) adds a
product of two thin matrices to the weight of a linear layer. The names and widths of those
layers fix every tensor that travels, so a server checks, averages and counts bytes without
loading the foundation model.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import final

from strategies.common.errors import ModelError


@final
@dataclass(frozen=True)
class LoraTarget:
    """One linear layer that is adapted.

    Attributes
    ----------
    name : str
        Path of the layer in the foundation model, as in ``named_modules``.
    in_features, out_features : int
        Widths of its input and output.
    """

    name: str
    in_features: int
    out_features: int

    @property
    def full_rank(self) -> int:
        """Largest rank that a change of this layer's weight can have."""
        return min(self.in_features, self.out_features)

    def rank(self, rank: int) -> int:
        """Return the rank that this layer has where the model's is ``rank``, at most its full."""
        return min(rank, self.full_rank)


@final
@dataclass(frozen=True)
class LoraShape:
    """The adapted layers of a foundation model, in the order in which their factors travel.

    Ranks are no part of it: clients of one federation may differ in them. A rank beyond a
    layer's full rank describes nothing more, so that layer is capped there.

    Attributes
    ----------
    targets : tuple[LoraTarget, ...]
        At least one; names are unique.

    Examples
    --------
    >>> shape = LoraShape((LoraTarget("query", 64, 64), LoraTarget("value", 64, 64)))
    >>> shape.width
    256
    """

    targets: tuple[LoraTarget, ...]

    def __post_init__(self) -> None:
        names = [target.name for target in self.targets]
        if not names or len(set(names)) != len(names):
            raise ModelError(f"LoRA: expected layers with names of their own, got {names}")
        for target in self.targets:
            if target.full_rank < 1:
                raise ModelError(
                    f"LoRA at {target.name}: expected widths of 1 or more, got "
                    f"{target.in_features} to {target.out_features}"
                )

    @property
    def full_rank(self) -> int:
        """Smallest rank at which every layer can change in any way."""
        return max(target.full_rank for target in self.targets)

    @property
    def width(self) -> int:
        """Values that one row of A and one column of B hold in all layers: in + out each."""
        return sum(target.in_features + target.out_features for target in self.targets)

    def keys(self, rank: int) -> tuple[tuple[str, tuple[int, int]], ...]:
        """Return name and shape of every tensor, in the order of ``LoraFactors.matrices``.

        Names are those of peft's state dicts: ``<layer>.lora_A.weight`` is (rank, in) and
        ``<layer>.lora_B.weight`` is (out, rank).

        Raises
        ------
        ModelError
            If the rank is below 1.
        """
        if rank < 1:
            raise ModelError(f"LoRA: expected a rank of 1 or more, got {rank}")
        return tuple(
            key
            for target in self.targets
            for key in (
                (f"{target.name}.lora_A.weight", (target.rank(rank), target.in_features)),
                (f"{target.name}.lora_B.weight", (target.out_features, target.rank(rank))),
            )
        )

    def digest(self) -> bytes:
        """Return 32 bytes that are equal where factors can mix: SHA-256 of names and widths."""
        rows = [[target.name, target.in_features, target.out_features] for target in self.targets]
        return hashlib.sha256(json.dumps(rows).encode()).digest()
