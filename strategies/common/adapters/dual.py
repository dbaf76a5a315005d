"""FedDAT's dual adapter: the mean of a frozen shared adapter and a client's own.

Chen et al., "FedDAT: An Approach for Foundation Model Finetuning in Multi-Modal Heterogeneous
Federated Learning", AAAI 2024, https://arxiv.org/abs/2308.12305.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from strategies.common.adapters.adapter_set import AdapterSet, AdapterShape
from strategies.common.adapters.bottleneck import Bottleneck
from strategies.common.errors import ModelError


@final
@dataclass(frozen=True)
class MeanDelta:
    """F(x)/2 + C(x)/2 at one site.

    Attributes
    ----------
    frozen : Bottleneck
        F; gives no gradients to its own weights.
    local : Bottleneck
        C.
    """

    frozen: Bottleneck
    local: Bottleneck

    def __call__(self, hidden: Tensor) -> Tensor:
        """Return what is added to hidden states (batch, tokens, width), of their shape."""
        local: Tensor = self.local(hidden)
        return 0.5 * self.frozen.constant(hidden) + 0.5 * local


@final
class DualAdapter:
    """What an attachment uses in FedDAT's dual mode; it owns no parameters.

    Parameters
    ----------
    frozen : AdapterSet
        F, the shared adapter as it was received; never trained here.
    local : AdapterSet
        C, the client's own.

    Raises
    ------
    ModelError
        If they are not of one shape.
    """

    def __init__(self, frozen: AdapterSet, local: AdapterSet) -> None:
        _refuse_unlike(frozen, local)
        pairs = zip(frozen, local, strict=True)
        self._deltas = tuple(MeanDelta(constant, own) for constant, own in pairs)

    def __len__(self) -> int:
        """Return the number of sites."""
        return len(self._deltas)

    def __iter__(self) -> Iterator[MeanDelta]:
        """Go through the sites in order."""
        return iter(self._deltas)

    def __getitem__(self, index: int) -> MeanDelta:
        """Return what is added at one site."""
        return self._deltas[index]


@torch.no_grad()
def merged(frozen: AdapterSet, local: AdapterSet) -> AdapterSet:
    """Return the dual adapter as plain adapters of twice the rank, on the CPU.

    [U_F/2, U_C/2] relu([D_F; D_C] x + [b_F; b_C]) + (b'_F + b'_C)/2 is F(x)/2 + C(x)/2.

    Raises
    ------
    ModelError
        If they are not of one shape.
    """
    _refuse_unlike(frozen, local)
    parts: list[Tensor] = []
    for constant, own in zip(frozen, local, strict=True):
        parts += [
            torch.cat([constant.down.weight, own.down.weight]),  # (2 rank, width)
            torch.cat([constant.down.bias, own.down.bias]),
            torch.cat([constant.up.weight, own.up.weight], 1) / 2,  # (width, 2 rank)
            (constant.up.bias + own.up.bias) / 2,
        ]
    single = frozen.shape
    shape = AdapterShape(single.names, single.widths, 2 * single.rank)
    return AdapterSet.from_vector(shape, torch.cat([part.flatten() for part in parts]))


def _refuse_unlike(frozen: AdapterSet, local: AdapterSet) -> None:
    if frozen.shape != local.shape:
        raise ModelError(
            f"dual adapter: expected adapters of one shape, got {frozen.shape} and "
            f"{local.shape}; a client's own adapter serves one backbone and one rank"
        )
