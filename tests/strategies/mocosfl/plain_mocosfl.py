"""MocoSFL re-typed as one plain loop over modules in a single process.

Nothing of it is shared with the halves but the network, the views and the batches: clients
are modules with optimisers of their own, activations are concatenated, one backward pass
runs through everything at once.
"""

import math
from copy import deepcopy
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from strategies.common import seeds
from strategies.common.settings import RunSettings
from strategies.common.split import batches
from strategies.common.split.augment import Augmentation, apply, draw
from strategies.common.split.networks.cut import build
from strategies.common.split.settings import SplitSettings
from strategies.mocosfl.settings import MocoSFLSettings
from tests.strategies.fake_device import FakeDevice


@final
class PlainMocoSFL:
    """All clients take part in every round; both terms of the loss; no client is late."""

    def __init__(
        self,
        settings: MocoSFLSettings,
        run: RunSettings,
        split: SplitSettings,
        clients: list[FakeDevice],
        *,
        batch: int,
        keep: float = 0.99,
    ) -> None:
        self.settings, self.clients, self.batch, self.keep = settings, clients, batch, keep
        self.steps = settings.steps_per_round
        self.total = run.rounds * self.steps
        self.step = 0
        network = build(split, clients[0].task, seeds.derive(run.seed, "split-network"))
        hidden, dim = settings.projection_hidden, settings.projection_dim
        with seeds.seeded(seeds.derive(run.seed, "projection-head")):
            head = nn.Sequential(nn.Linear(network.feature_dim, hidden), nn.ReLU())
            nn.init.xavier_uniform_(head[0].weight)
            head.append(nn.Linear(hidden, dim))
            nn.init.xavier_uniform_(head[2].weight)
        nn.init.zeros_(head[0].bias)
        nn.init.zeros_(head[2].bias)
        self.server = nn.Sequential(network.back, head)
        self.server_copy = deepcopy(self.server)
        self.fronts = [deepcopy(network.front) for _ in clients]
        self.copies = [deepcopy(network.front) for _ in clients]
        drawn = torch.randn(
            settings.memory_size, dim, generator=seeds.generator(run.seed, "memory")
        )
        self.memory = list(functional.normalize(drawn))
        self.place = 0
        self.optimisers = [self._sgd(front) for front in self.fronts]
        self.optimiser = self._sgd(self.server)

    def round(self) -> None:
        for _ in range(self.steps):
            self._step()
        means = [
            sum(p.detach().double() for p in same) / len(self.fronts)
            for same in zip(*(front.parameters() for front in self.fronts), strict=True)
        ]
        for front in self.fronts:
            for parameter, mean in zip(front.parameters(), means, strict=True):
                parameter.data = mean.float()

    def front(self) -> Tensor:
        return torch.cat([p.detach().flatten() for p in self.fronts[0].parameters()])

    def weights(self) -> Tensor:
        return torch.cat([p.detach().flatten() for p in self.server.parameters()])

    def _step(self) -> None:
        self.step += 1
        views = [self._views(client) for client in self.clients]
        smashed = [front(query) for front, (query, _) in zip(self.fronts, views, strict=True)]
        with torch.no_grad():
            for copy, front in zip(self.copies, self.fronts, strict=True):
                self._follow(copy, front)
            keys = [copy(key) for copy, (_, key) in zip(self.copies, views, strict=True)]
            self._follow(self.server_copy, self.server)
        queries, keys = torch.cat(smashed), torch.cat(keys)
        first, key = self._term(queries, keys)
        # The activations of the second term's queries come without the clients' graphs.
        second, swapped = self._term(keys, queries.detach())
        for optimiser in (*self.optimisers, self.optimiser):
            optimiser.zero_grad()
        (first + second).backward()
        rate = self.settings.learning_rate
        for optimiser in (*self.optimisers, self.optimiser):
            optimiser.param_groups[0]["lr"] = (
                rate * (1 + math.cos(math.pi * (self.step - 1) / self.total)) / 2
            )
            optimiser.step()
        for row in (*key, *swapped):
            self.memory[self.place] = row
            self.place = (self.place + 1) % len(self.memory)

    def _term(self, queries: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        q = functional.normalize(self.server(queries))
        with torch.no_grad():
            k = functional.normalize(self.server_copy(keys))
        logits = torch.cat([(q * k).sum(1, keepdim=True), q @ torch.stack(self.memory).T], 1)
        target = torch.zeros(len(q), dtype=torch.int64)
        return functional.cross_entropy(logits / self.settings.temperature, target), k

    def _views(self, client: FakeDevice) -> tuple[Tensor, Tensor]:
        seed, number = client.settings.seed, client.partition
        rows = batches.rows(len(client.train), self.batch, self.step, seed, number)
        how = Augmentation("mocov2", self.settings.min_crop, self.settings.flip)
        generator = seeds.generator(seed, "views", round_number=self.step, partition=number)
        numbers = draw(2 * self.batch, how, generator)
        inputs = client.train.inputs[rows]
        return (
            apply(inputs, numbers[: self.batch], how),
            apply(inputs, numbers[self.batch :], how),
        )

    def _follow(self, copy: nn.Module, module: nn.Module) -> None:
        for slow, fast in zip(copy.parameters(), module.parameters(), strict=True):
            slow.data.lerp_(fast.data, 1 - self.keep)

    def _sgd(self, module: nn.Module) -> torch.optim.SGD:
        return torch.optim.SGD(
            module.parameters(),
            lr=self.settings.learning_rate,
            momentum=self.settings.momentum,
            weight_decay=self.settings.weight_decay,
        )
