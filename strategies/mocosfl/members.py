"""The logical clients that one node has in one cohort, computed together step by step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor

from strategies.common import seeds
from strategies.common.device import Device
from strategies.common.split import batches
from strategies.common.split.augment import Augmentation, apply, draw
from strategies.common.split.members import Learnt, Members
from strategies.common.split.networks.stacked import StackedModels
from strategies.common.split.sgd import SGD
from strategies.mocosfl.network import follow
from strategies.mocosfl.schedule import cosine, passes, warmup, wave
from strategies.mocosfl.settings import MocoSFLSettings


@final
@dataclass
class Models:
    """Client models as matrices with one row per member; all on the device that computes.

    Attributes
    ----------
    online : Tensor
        (members, parameters), or (1, parameters) where clients are frozen.
    momentum : Tensor
        (members, parameters) momentum models; where clients are frozen, ``online`` itself.
    velocity : Tensor
        (members, parameters) momentum buffers of SGD.
    taken : Tensor
        (members,) int64; steps that each member has taken in the run.
    """

    online: Tensor
    momentum: Tensor
    velocity: Tensor
    taken: Tensor


@final
@dataclass(frozen=True)
class Views:
    """Two views of each sample of a step.

    Attributes
    ----------
    query : Tensor
        (members, batch, channels, height, width) float32.
    key : Tensor
        The other views, of the same shape; or, where keys are prefetched, their activations
        (members, batch, *latent).
    """

    query: Tensor
    key: Tensor


@final
class MocoSFLMembers(Members[Views]):
    """Takes the client's side of every step.

    Parameters
    ----------
    clients : Sequence[Device]
        Logical clients of the cohort on this node, ascending.
    computed : StackedModels
        Computes their models.
    models : Models
        Changed in place.
    settings : MocoSFLSettings
        How to learn.
    batch : int
        Samples per client and step (b).
    total_steps : int
        Steps of the whole run.
    """

    def __init__(
        self,
        clients: Sequence[Device],
        computed: StackedModels,
        models: Models,
        settings: MocoSFLSettings,
        batch: int,
        total_steps: int,
    ) -> None:
        super().__init__(clients)
        self._computed = computed
        self._settings = settings
        self._batch = batch
        self._total_steps = total_steps
        self._device = models.online.device
        self._augmentation = augmentation(settings)
        self._sgd = SGD(settings.momentum, settings.weight_decay)
        self._norms = torch.zeros((), device=self._device)
        self._updates = 0
        self.models = models
        models.online.requires_grad_(not settings.frozen)

    def prepare(self, step: int) -> Views:
        """Draw two views of each sample of a step; each client's from its own randomness."""
        inputs = [client.train.inputs[self._rows(client, step)] for client in self.clients]
        draws = [self._draws(client, step) for client in self.clients]
        samples = torch.cat(inputs).to(self._device)
        # Drawn by client, laid out by view.
        first, second = (torch.cat([own[view] for own in draws]) for view in (0, 1))
        views = apply(torch.cat([samples, samples]), torch.cat([first, second]), self._augmentation)
        query, key = views.reshape(2, len(self.clients), self._batch, *views.shape[1:])
        if self._settings.key_prefetch:
            key = self._keys(key)
        return Views(query, key)

    def forward(self, views: Views) -> tuple[Tensor, Tensor]:
        """Compute what goes up.

        The momentum models follow the online ones before keys are made, and before this
        step's update.

        Returns
        -------
        tuple[Tensor, Tensor]
            (members, batch, *latent) activations of the query views, with their graph
            unless clients are frozen, and of the key views, without one.
        """
        query = self._computed(self.models.online, views.query)
        if not self._settings.frozen:
            follow([self.models.momentum], [self.models.online.detach()], self._settings.ema)
        return query, views.key if self._settings.key_prefetch else self._keys(views.key)

    def backward(self, step: int, activations: Tensor, gradient: Tensor) -> None:
        """Finish a step with the gradient that came down; both (members, batch, *latent)."""
        online = self.models.online
        (slope,) = torch.autograd.grad(activations, online, gradient)
        weights = online.detach()
        base = self._settings.client_learning_rate * warmup(step, self._settings.warmup_steps)
        if self._settings.client_schedule == "cosine":
            rate = cosine(base, step, self._total_steps)
            self._sgd.step(weights, slope, self.models.velocity, rate)
        else:
            for row, rate in enumerate(self._waves(base)):
                self._sgd.step(weights[row], slope[row], self.models.velocity[row], rate)
        self.models.taken += 1
        self._norms += slope.norm(dim=1).mean()
        self._updates += 1

    @property
    def gradient_norm(self) -> float:
        """Mean length of a client's gradient over the steps; the loss is the server's."""
        return float(self._norms) / max(self._updates, 1)

    @torch.no_grad()
    def _keys(self, views: Tensor) -> Tensor:
        return self._computed(self.models.momentum, views)

    def _rows(self, client: Device, step: int) -> Tensor:
        return batches.rows(
            len(client.train), self._batch, step, client.settings.seed, client.partition
        )

    def _draws(self, client: Device, step: int) -> Tensor:
        """Draw both views of a client's batch: (2, batch, numbers)."""
        # By step and not by round: a step that was passed over leaves others as they are.
        generator = seeds.generator(
            client.settings.seed, "views", round_number=step, partition=client.partition
        )
        return draw(2 * self._batch, self._augmentation, generator).view(2, self._batch, -1)

    def _waves(self, base: float) -> list[float]:
        return [
            wave(base, taken, passes(self._total_steps, len(client.train), self._batch))
            for client, taken in zip(self.clients, self.models.taken.tolist(), strict=True)
        ]


def gathered(learnt: Learnt[MocoSFLMembers]) -> Models:
    """Return the models of all cohorts of a node, on the CPU and by client."""
    return Models(
        learnt.rows(lambda members: members.models.online),
        learnt.rows(lambda members: members.models.momentum),
        learnt.rows(lambda members: members.models.velocity),
        learnt.rows(lambda members: members.models.taken),
    )


def augmentation(settings: MocoSFLSettings) -> Augmentation:
    """Return how views are drawn: v1 does not blur."""
    family: Literal["mocov1", "mocov2"] = "mocov1" if settings.version == "v1" else "mocov2"
    return Augmentation(family, settings.min_crop, settings.flip)
