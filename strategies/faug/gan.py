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
from strategies.common.samples import Samples, prepare
from strategies.common.training import EVALUATION_BATCH, Means
from strategies.common.update_rule import Adam, Group

# Any number does, so long as both sides have it: codes of labels need not travel.
_CODES: Final = 1811
# As is usual for such training since Radford et al., 2016, https://arxiv.org/abs/1511.06434.
_BETAS: Final = (0.5, 0.999)
_SLOPE: Final = 0.2
_DROPOUT: Final = 0.3


@final
class LabelledGenerator(nn.Module):
    """Four layers from noise (batch, noise) and labels (batch,) to images (batch, value).

    They are batch-normalised but for the last, each hidden one twice as wide as the one before.
    """

    codes: Tensor

    def __init__(self, agreed: Agreed) -> None:
        super().__init__()
        own, task = agreed.settings, agreed.task
        self.noise_dim, widths = own.noise_dim, [own.hidden_dim << n for n in range(3)]
        layers: list[nn.Module] = []
        for wide, wider in pairwise([own.noise_dim, *widths]):
            layers += [nn.Linear(wide, wider), nn.BatchNorm1d(wider), nn.LeakyReLU(_SLOPE)]
        last = nn.Linear(widths[-1], prod(task.inputs.shape))
        self.layers = nn.Sequential(*layers, last, nn.Tanh())
        signs = torch.Generator().manual_seed(_CODES)
        coins = torch.randint(2, (task.num_classes, own.noise_dim), generator=signs, device="cpu")
        # Not one of its numbers: it neither travels nor counts.
        self.register_buffer("codes", 2 * coins - 1, persistent=False)

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        """Return images in [-1, 1]; labels are int64."""
        images: Tensor = self.layers(noise + self.codes[labels])
        return images

    @torch.no_grad()
    def drawn(self, labels: Tensor, randomness: torch.Generator) -> Tensor:
        """Draw images (images, value) uint8 of labels (images,) on the CPU, in evaluation mode."""
        self.eval()
        noise = torch.randn(len(labels), self.noise_dim, generator=randomness)
        parts = (torch.split(values, EVALUATION_BATCH) for values in (noise, labels))
        images = torch.cat([self(*pair) for pair in zip(*parts, strict=True)])
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
        generator = LabelledGenerator(agreed).to(device).train()
        classes, values = agreed.task.num_classes, images.inputs[0].numel()
        critic = _critic(values + classes, own.hidden_dim).to(device)
        for_generator, for_critic = (
            Adam([Group([*part.parameters()])], betas=_BETAS) for part in (generator, critic)
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
            for_critic.descend(told, own.learning_rate)
            fooled = _surprise(critic(torch.cat([drawn, named], 1)), real=True)
            for_generator.descend(fooled, own.learning_rate)
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
