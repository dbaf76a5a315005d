"""SplitFed in a single process, as the paper has it: modules, torch's SGD and a loop.

Shares with the halves only the network's initial weights and which samples and which order
of the clients belong to a step.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from strategies.common import seeds
from strategies.common.split import batches
from strategies.splitfed.settings import SplitFedSettings
from tests.strategies.fake_device import FakeDevice


class PlainSplitFed:
    """All clients and the server; ``play`` goes through one round with the whole pool."""

    def __init__(
        self,
        front: nn.Module,
        back: nn.Module,
        clients: Sequence[FakeDevice],
        settings: SplitFedSettings,
    ) -> None:
        self.clients = clients
        self.settings = settings
        self.fronts = [copy.deepcopy(front) for _ in clients]
        self.backs = [copy.deepcopy(back) for _ in clients]
        rate = clients[0].settings.learning_rate
        self.front_steps = [self._sgd(front, rate) for front in self.fronts]
        rate = settings.server_learning_rate
        self.back_steps = [self._sgd(back, rate) for back in self.backs]
        self.step = 0

    def _sgd(self, module: nn.Module, rate: float) -> torch.optim.SGD:
        momentum, weight_decay = self.settings.momentum, self.settings.weight_decay
        return torch.optim.SGD(
            module.parameters(), rate, momentum=momentum, weight_decay=weight_decay
        )

    def play(self, steps: int) -> None:
        """Train for some steps, then average by data size."""
        for _ in range(steps):
            self.step += 1
            if self.settings.gradient_scale == "pool":
                self._learn_together()
            else:
                for index in self._order():
                    self._learn(index)
        sizes = [len(client.train) for client in self.clients]
        average_modules(self.fronts, sizes)
        if self.settings.copies:
            average_modules(self.backs, sizes)
            average_buffers(self.back_steps, sizes)

    def _order(self) -> list[int]:
        count = len(self.clients)
        if self.settings.version == "v1":
            return list(range(count))
        seed = self.clients[0].settings.seed
        generator = seeds.generator(seed, "server-order", round_number=self.step)
        return torch.randperm(count, generator=generator).tolist()

    def _batch(self, index: int) -> tuple[Tensor, Tensor]:
        client = self.clients[index]
        settings = client.settings
        rows = batches.rows(
            len(client.train), settings.batch_size, self.step, settings.seed, client.partition
        )
        return client.inputs[rows], client.labels[rows]

    def _learn(self, index: int) -> None:
        back = index if self.settings.copies else 0
        inputs, labels = self._batch(index)
        # One graph through both parts: no cut, no stream.
        loss = functional.cross_entropy(self.backs[back](self.fronts[index](inputs)), labels)
        for optimiser in (self.front_steps[index], self.back_steps[back]):
            optimiser.zero_grad()
        loss.backward()
        for optimiser in (self.front_steps[index], self.back_steps[back]):
            optimiser.step()

    def _learn_together(self) -> None:
        optimisers = [*self.front_steps, self.back_steps[0]]
        for optimiser in optimisers:
            optimiser.zero_grad()
        drawn = [self._batch(index) for index in range(len(self.clients))]
        activations = [front(b[0]) for front, b in zip(self.fronts, drawn, strict=True)]
        scores = self.backs[0](torch.cat(activations))
        functional.cross_entropy(scores, torch.cat([labels for _, labels in drawn])).backward()
        for optimiser in optimisers:
            optimiser.step()


def average_modules(modules: Sequence[nn.Module], sizes: Sequence[int]) -> None:
    """Set every module to the mean, weighted by sizes."""
    for parameters in zip(*(module.parameters() for module in modules), strict=True):
        _average(parameters, sizes)


def average_buffers(optimisers: Sequence[torch.optim.SGD], sizes: Sequence[int]) -> None:
    """Set every optimiser's momentum buffers to the mean, weighted by sizes."""
    buffers = [[s["momentum_buffer"] for s in o.state.values()] for o in optimisers]
    for matching in zip(*buffers, strict=True):
        _average(matching, sizes)


def _average(tensors: Sequence[Tensor], sizes: Sequence[int]) -> None:
    with torch.no_grad():
        parts = [size * tensor.double() for size, tensor in zip(sizes, tensors, strict=True)]
        mean = (sum(parts[1:], parts[0]) / sum(sizes)).float()
        for tensor in tensors:
            tensor.copy_(mean)
