"""One logical client's step of MocoSFL, without network and server.

Li et al., "MocoSFL: Enabling Cross-Client Collaborative Self-Supervised
Learning" (ICLR 2023). SplitFed's step lacks the second view.
"""

from typing import final

import torch
from torch import Tensor

from client_app.profiling.figures import Workload
from strategies.common import seeds
from strategies.common.split.augment import Augmentation, apply, draw
from strategies.common.split.networks import cut
from strategies.common.split.networks.stacked import StackedModels
from strategies.common.split.sgd import SGD
from strategies.common.split.wire.codec import encode_activations

VIEWS = Augmentation(family="mocov2", min_scale=0.08, flip=True)
# As published; their values change what is learnt and not what it costs.
DECAY = 0.99
LEARNING_RATE = 0.06
OPTIMISER = SGD(momentum=0.9, weight_decay=5e-4)


@final
class DeviceStep:
    """The parts of a step, with all that a client keeps between steps.

    Parameters
    ----------
    workload : Workload
        What the client does; its images are noise.
    """

    def __init__(self, workload: Workload) -> None:
        task = workload.task
        network = cut.build_front(workload.settings, task, seed=0)
        self.latent_shape = network.latent_shape
        self._workload = workload
        self._fronts = StackedModels(network.front, batched=False)
        self._randomness = seeds.generator(0, "profile")
        online = self._fronts.vector(network.front).unsqueeze(0)
        self._online = online.requires_grad_(not workload.frozen)
        self._momentum = online if workload.frozen else online.detach().clone()
        self._velocity = torch.zeros_like(self._momentum)
        shape = (workload.batch, *task.images.shape)
        noise = torch.randint(0, 256, shape, generator=self._randomness)
        self._images = noise.to(torch.uint8)
        answer = torch.randn(1, workload.batch, *self.latent_shape, generator=self._randomness)
        self._answer = answer / answer.numel()

    @property
    def num_parameters(self) -> int:
        """Weights of the client's model."""
        return self._fronts.num_parameters

    def view(self) -> Tensor:
        """Draw a view of the batch, (1, batch, channels, height, width)."""
        draws = draw(self._workload.batch, VIEWS, self._randomness)
        return apply(self._images, draws, VIEWS).unsqueeze(0)

    def forward(self, view: Tensor) -> Tensor:
        """Compute the query's activations, (1, batch, *latent), with what learning needs."""
        return self._fronts(self._online, view)

    @torch.no_grad()
    def follow(self) -> None:
        """Move the momentum model towards the online one."""
        self._momentum.lerp_(self._online, 1 - DECAY)

    @torch.no_grad()
    def forward_momentum(self, view: Tensor) -> Tensor:
        """Compute the key's activations, (1, batch, *latent)."""
        return self._fronts(self._momentum, view)

    def encode(self, activations: Tensor) -> int:
        """Write activations for the network, and count the bytes with their scales."""
        settings = self._workload.settings
        values = activations.detach().numpy()
        coded = encode_activations(values, settings.codec, settings.max_value, "profile")
        return coded.data.nbytes + coded.scales.nbytes

    def backward(self, activations: Tensor) -> Tensor:
        """Carry the server's answer back to the weights, (1, parameters)."""
        (gradient,) = torch.autograd.grad(activations, self._online, self._answer)
        return gradient

    def update(self, gradient: Tensor) -> None:
        """Move the online model."""
        OPTIMISER.step(self._online, gradient, self._velocity, LEARNING_RATE)

    def run(self) -> None:
        """Do the whole step."""
        query, key = self.view(), self.view()
        activations = self.forward(query)
        if not self._workload.frozen:
            self.follow()
        self.encode(activations)
        self.encode(self.forward_momentum(key))
        if not self._workload.frozen:
            self.update(self.backward(activations))
