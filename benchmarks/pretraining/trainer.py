"""Adversarial training of a small StyleGAN2, in steps that can be saved and continued."""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.pretraining.discriminator import Discriminator
from generators.stylegan.mapping import MappingConfig
from generators.stylegan.network import StyleGAN, StyleGANConfig
from generators.stylegan.stylegan2 import StyleGAN2Config
from strategies.common import seeds

# Every so many steps the gradient penalty is taken (Karras et al., CVPR 2020, appendix B).
_PENALTY_EVERY = 16
_BETAS = (0.0, 0.99)
# Draws over which the mean latent is taken.
_MEAN_DRAWS = 10_000


@final
@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes
    ----------
    channels : tuple[int, ...]
        Width of both networks at 4, 8, 16, 32 pixels.
    latent_dim : int
        Width of z and of w.
    batch_size : int
        Images per step, divisible by 4.
    learning_rate : float
        Adam's step size for both networks.
    penalty : float
        Weight of the gradient penalty on real images (gamma of R1, Mescheder et al., ICML
        2018).
    average_images : float
        Images after which the running mean of the weights has half forgotten.
    mirror : bool
        Whether real images are mirrored at random; not right for digits.
    seed : int
        Seed of weights and noise.
    """

    channels: tuple[int, ...]
    latent_dim: int
    batch_size: int
    learning_rate: float
    penalty: float
    average_images: float
    mirror: bool
    seed: int

    def network(self) -> StyleGANConfig:
        """Return the generator's geometry."""
        width = self.latent_dim
        synthesis = StyleGAN2Config(w_dim=width, channels=self.channels, noise=False)
        mapping = MappingConfig(
            z_dim=width, c_dim=0, w_dim=width, num_ws=synthesis.num_ws, widths=(width, width)
        )
        return StyleGANConfig(mapping=mapping, synthesis=synthesis)


@final
class Trainer:
    """A generator, its running mean and a discriminator in training.

    Parameters
    ----------
    recipe : Recipe
        How to train.
    images : Tensor
        (images, 3, side, side) uint8, on any device.
    device : torch.device
        Where to train.
    """

    def __init__(self, recipe: Recipe, images: Tensor, device: torch.device) -> None:
        self._recipe = recipe
        self._images = images
        self._device = device
        with seeds.seeded(seeds.derive(recipe.seed, "pretraining")):
            self.network = StyleGAN(recipe.network())
            self._discriminator = Discriminator(recipe.channels)
        # Convolutions are faster so, on a CPU by a seventh.
        for network in (self.network, self._discriminator):
            network.to(device)
            network.to(memory_format=torch.channels_last)
        self._average = copy.deepcopy(self.network).requires_grad_(False)
        # Taken every so many steps, the penalty moves Adam's averages by so much.
        lazy = _PENALTY_EVERY / (_PENALTY_EVERY + 1)
        self._generator_optimiser = torch.optim.Adam(
            self.network.parameters(), recipe.learning_rate, betas=_BETAS
        )
        self._discriminator_optimiser = torch.optim.Adam(
            self._discriminator.parameters(),
            recipe.learning_rate * lazy,
            betas=(_BETAS[0], _BETAS[1] ** lazy),
        )
        self._randomness = torch.Generator().manual_seed(recipe.seed)
        self.steps = 0

    @property
    def seen(self) -> int:
        """Real images shown so far."""
        return self.steps * self._recipe.batch_size

    def step(self) -> tuple[float, float]:
        """Train both networks on one batch; return the losses of discriminator and generator."""
        real = self._real()
        drawn = self._draw()
        # Non-saturating loss (Goodfellow et al., NeurIPS 2014, section 3).
        loss = functional.softplus(self._discriminator(drawn.detach())).mean()
        loss = loss + functional.softplus(-self._discriminator(real)).mean()
        total = loss
        if self.steps % _PENALTY_EVERY == 0:
            total = loss + self._penalty(real)
        self._discriminator_optimiser.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        self._discriminator_optimiser.step()

        self._discriminator.requires_grad_(False)
        fooled = functional.softplus(-self._discriminator(self._draw())).mean()
        self._generator_optimiser.zero_grad(set_to_none=True)
        fooled.backward()  # type: ignore[no-untyped-call]
        self._generator_optimiser.step()
        self._discriminator.requires_grad_(True)
        self.steps += 1
        self._follow()
        return loss.item(), fooled.item()

    @torch.no_grad()
    def averaged(self) -> StyleGAN:
        """Return the running mean of the generator, with its mean latent."""
        network = copy.deepcopy(self._average)
        noise = torch.randn(
            _MEAN_DRAWS, self._recipe.latent_dim, generator=torch.Generator().manual_seed(0)
        )
        network.mapping.w_avg.copy_(network.mapping(noise.to(self._device))[:, 0].mean(0))
        return network

    def save(self, path: Path) -> None:
        """Write everything that is needed to go on."""
        state = {name: part.state_dict() for name, part in self._parts().items()}
        new = path.with_suffix(".new")
        torch.save({**state, "steps": self.steps, "randomness": self._randomness.get_state()}, new)
        new.rename(path)

    def load(self, path: Path) -> None:
        """Go on where ``save`` was called."""
        state = torch.load(path, map_location=self._device, weights_only=True)
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.steps = state["steps"]
        self._randomness.set_state(state["randomness"].cpu())

    def _parts(self) -> dict[str, Any]:
        return {
            "network": self.network,
            "average": self._average,
            "discriminator": self._discriminator,
            "generator_optimiser": self._generator_optimiser,
            "discriminator_optimiser": self._discriminator_optimiser,
        }

    def _real(self) -> Tensor:
        size = (self._recipe.batch_size,)
        index = torch.randint(len(self._images), size, generator=self._randomness)
        real = self._images[index.to(self._images.device)].to(self._device)
        real = real.float().div(127.5).sub(1)
        if self._recipe.mirror:
            mirrored = torch.rand(size, generator=self._randomness) < 0.5
            real = torch.where(mirrored.to(self._device)[:, None, None, None], real.flip(3), real)
        return real

    def _draw(self) -> Tensor:
        shape = (self._recipe.batch_size, self._recipe.latent_dim)
        noise = torch.randn(shape, generator=self._randomness).to(self._device)
        drawn: Tensor = self.network(noise)
        return drawn

    def _penalty(self, real: Tensor) -> Tensor:
        real = real.requires_grad_(True)
        scores = self._discriminator(real).sum()
        (slope,) = torch.autograd.grad(scores, real, create_graph=True)
        size = slope.square().sum((1, 2, 3)).mean()
        return size * (self._recipe.penalty / 2 * _PENALTY_EVERY)

    @torch.no_grad()
    def _follow(self) -> None:
        # At the start the mean would mostly remember random weights.
        half_life = min(self._recipe.average_images, 0.05 * self.seen)
        keep = 0.5 ** (self._recipe.batch_size / max(half_life, 1e-8))
        for mean, weight in zip(self._average.parameters(), self.network.parameters(), strict=True):
            mean.lerp_(weight, 1 - keep)
