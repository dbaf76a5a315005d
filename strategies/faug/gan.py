"""A conditional GAN: the generator travels, the discriminator stays on the server."""

from collections.abc import Callable
from itertools import pairwise
from math import prod
from typing import Final, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from strategies.common import seeds
from strategies.common.agreed import Agreed
from strategies.common.samples import Samples, ordered_batches, prepare
from strategies.common.training import EVALUATION_BATCH, Means

# Any number does, so long as both sides have it: codes of labels need not travel.
_CODES: Final = 1811
# As is usual for such training since Radford et al., 2016, https://arxiv.org/abs/1511.06434.
_BETAS: Final = (0.5, 0.999)
_SLOPE: Final = 0.2
_DROPOUT: Final = 0.3


@final
class LabelledGenerator(nn.Module):
    """Four layers from noise and a label to an image, batch-normalised but for the last.

    Parameters
    ----------
    noise_dim, hidden_dim, num_values, num_classes : int
        Widths of noise, first hidden layer and image, and labels.
    """

    codes: Tensor

    def __init__(self, noise_dim: int, hidden_dim: int, num_values: int, num_classes: int) -> None:
        super().__init__()
        self.noise_dim = noise_dim
        layers: list[nn.Module] = []
        for wide, wider in pairwise([noise_dim, *(hidden_dim << n for n in range(3))]):
            layers += [nn.Linear(wide, wider), nn.BatchNorm1d(wider), nn.LeakyReLU(_SLOPE)]
        self.layers = nn.Sequential(*layers, nn.Linear(hidden_dim << 2, num_values), nn.Tanh())
        signs = torch.Generator().manual_seed(_CODES)
        coins = torch.randint(2, (num_classes, noise_dim), generator=signs, device="cpu")
        # Not one of its numbers: it neither travels nor counts.
        self.register_buffer("codes", 2 * coins - 1, persistent=False)

    @staticmethod
    def of(agreed: Agreed) -> "LabelledGenerator":
        """Build the one that settings and task ask for."""
        own, task = agreed.settings, agreed.task
        values = prod(task.inputs.shape)
        return LabelledGenerator(own.noise_dim, own.hidden_dim, values, task.num_classes)

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        """Return images (batch, value) in [-1, 1] for noise (batch, noise), labels (batch,)."""
        images: Tensor = self.layers(noise + self.codes[labels])
        return images

    @torch.no_grad()
    def drawn(self, labels: Tensor, randomness: torch.Generator) -> Tensor:
        """Draw images (images, value) uint8 of labels (images,) on the CPU, in evaluation mode."""
        self.eval()
        noise = torch.randn(len(labels), self.noise_dim, generator=randomness)
        rows = ordered_batches(len(labels), EVALUATION_BATCH)
        images = torch.cat([self(noise[part], labels[part]) for part in rows])
        return ((images + 1) * 127.5).round().to(torch.uint8)


def trained(
    agreed: Agreed, images: Samples, device: torch.device, watch: Callable[[int, int], None]
) -> tuple[LabelledGenerator, dict[str, float]]:
    """Train a generator against a discriminator on (images, ...) uint8 with labels.

    It comes back on the CPU, with the mean losses of the last tenth of the steps. The watcher is
    told each step, and of how many.
    """
    own, root = agreed.settings, agreed.run.seed
    order, means = seeds.generator(root, "faug training"), Means()
    with seeds.seeded(seeds.derive(root, "faug weights")):
        generator = LabelledGenerator.of(agreed).to(device).train()
        classes, values = agreed.task.num_classes, images.inputs[0].numel()
        critic = _critic(values + classes, own.hidden_dim).to(device)
        for_generator, for_critic = (
            torch.optim.Adam(part.parameters(), lr=own.learning_rate, betas=_BETAS)
            for part in (generator, critic)
        )
        for step in range(own.steps):
            rows = torch.randint(len(images), (own.batch_size,), generator=order)
            real = prepare(images.inputs[rows].flatten(1).to(device))
            labels = images.labels[rows].to(device)
            named = functional.one_hot(labels, classes).to(real)
            noise = torch.randn(len(rows), own.noise_dim, generator=order).to(device)
            drawn = generator(noise, labels)
            seen, made = (critic(torch.cat([x, named], 1)) for x in (real, drawn.detach()))
            told = _surprise(seen, real=True) + _surprise(made, real=False)
            _step(for_critic, told)
            fooled = _surprise(critic(torch.cat([drawn, named], 1)), real=True)
            _step(for_generator, fooled)
            if step >= own.steps - max(1, own.steps // 10):
                found = {"faug_generator_loss": fooled, "faug_discriminator_loss": told}
                means.add({name: loss.item() for name, loss in found.items()}, len(rows))
            watch(step, own.steps)
    return generator.cpu().eval(), means.result()


def _critic(wide: int, hidden_dim: int) -> nn.Module:
    """Return four layers from an image in [-1, 1] and its label, one-hot, to how real it looks."""
    layers: list[nn.Module] = []
    for one, other in pairwise([wide, *(hidden_dim << n for n in (2, 1, 0))]):
        layers += [nn.Linear(one, other), nn.LeakyReLU(_SLOPE), nn.Dropout(_DROPOUT)]
    return nn.Sequential(*layers, nn.Linear(hidden_dim, 1))


def _surprise(logits: Tensor, *, real: bool) -> Tensor:
    return functional.softplus(-logits if real else logits).mean()


def _step(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
