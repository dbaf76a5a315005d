"""What the server keeps from round to round, and what it starts from."""

from copy import deepcopy
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from strategies.common import seeds
from strategies.common.split.networks.cut import CutNetwork
from strategies.mocosfl.cache import Cache
from strategies.mocosfl.network import Encoder, Memory, projection_head
from strategies.mocosfl.settings import MocoSFLSettings, projection_dim, projection_hidden
from strategies.mocosfl.taressfl.expert import Expert


@final
@dataclass
class MocoSFLServerState:
    """The server's part of the network, and the client model as last synchronised.

    Attributes
    ----------
    online : Encoder
        Rest of the backbone and projection head (S).
    momentum : Encoder
        Its momentum copy (S-bar).
    velocity : dict[str, Tensor]
        SGD's momentum buffers by the names of the parameters of ``online``.
    memory : Memory
        Keys of earlier steps (Q).
    front : Tensor
        (parameters,) mean of the last pool's client models, or the expert's.
    momentum_front : Tensor | None
        (parameters,) mean of their momentum models, where that is synchronised.
    cached_activations, cached_seats : Tensor | None
        What clients sent in earlier rounds, on the CPU, as in :class:`Cache`; ``None`` where
        nothing is kept.
    """

    online: Encoder
    momentum: Encoder
    velocity: dict[str, Tensor]
    memory: Memory
    front: Tensor
    momentum_front: Tensor | None
    cached_activations: Tensor | None = None
    cached_seats: Tensor | None = None

    @property
    def cache(self) -> Cache | None:
        """Steps that can be replayed; ``None`` for none."""
        if self.cached_activations is None or self.cached_seats is None:
            return None
        return Cache(self.cached_activations, self.cached_seats)

    @cache.setter
    def cache(self, cache: Cache | None) -> None:
        self.cached_activations = None if cache is None else cache.activations
        self.cached_seats = None if cache is None else cache.seats


def first_state(
    settings: MocoSFLSettings,
    network: CutNetwork,
    front: Tensor,
    expert: Expert | None,
    seed: int,
    device: torch.device,
) -> MocoSFLServerState:
    """Return what a run starts from: all momentum copies equal to what they follow.

    Parameters
    ----------
    settings : MocoSFLSettings
        Head and memory.
    network : CutNetwork
        The network with its first weights.
    front : Tensor
        (parameters,) of its client model.
    expert : Expert | None
        Weights that replace those of the network, momentum copy and client model.
    seed : int
        Root seed of the run.
    device : torch.device
        Where the server computes.
    """
    dim = projection_dim(settings)
    with seeds.seeded(seeds.derive(seed, "projection-head")):
        head = projection_head(network.feature_dim, projection_hidden(settings), dim)
    online = Encoder(network.back, head)
    momentum = deepcopy(online).requires_grad_(False)
    if expert is not None:
        online.load_state_dict(dict(expert.online))
        momentum.load_state_dict(dict(expert.momentum))
        front = expert.front
    online.to(device)
    memory = Memory(settings.memory_size, dim, seeds.generator(seed, "memory"))
    return MocoSFLServerState(
        online=online,
        momentum=momentum.to(device),
        velocity={name: torch.zeros_like(p) for name, p in online.named_parameters()},
        memory=memory.to(device),
        front=front,
        momentum_front=front.clone() if settings.average_momentum else None,
    )
