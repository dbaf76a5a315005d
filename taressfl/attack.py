"""Fresh attacks that a frozen client model has to stand: decoders trained from scratch.

The server knows the client model and a few images like the clients' own, so it can train a
decoder on pairs of latent and image, and then read what clients send. How well the decoder
did that the client model was trained against says little about this: fresh attackers count,
and of several the best. What else the server has comes in ``informed.py``.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from strategies.common import seeds
from strategies.common.errors import DataError
from strategies.common.samples import ordered_batches, shuffled_batches
from strategies.common.training import EVALUATION_BATCH
from strategies.mocosfl.taressfl.verdict import Quality
from taressfl import decoder
from taressfl.decoder import DecoderShape
from taressfl.intercept import Pairs
from taressfl.quality import measure
from taressfl.settings import AttackSettings

# A channel that never changes carries nothing, whatever it is divided by.
_SMALLEST_SPREAD = 1e-6
# One to learn from, one to choose the epoch by.
_FEWEST_KNOWN = 2


@final
@dataclass(frozen=True)
class Outcome:
    """What one attacker achieved on images that it had never seen.

    Attributes
    ----------
    attacker : str
        Which one, e.g. ``"res_normN4C64 seed 0"``.
    quality : Quality
        Means over the images.
    images : Tensor
        (samples, channels, height, width) in [0, 1], the reconstructions, on the CPU.
    """

    attacker: str
    quality: Quality
    images: Tensor


@final
class Attacker(nn.Module):
    """A network behind a fixed scaling of the latents.

    Parameters
    ----------
    network : nn.Module
        What is trained; maps scaled latents to images.
    mean, spread : Tensor
        (1, channels, 1, 1) or (1, 1, 1, 1): latents are scaled to (latents - mean) / spread,
        since a client model must not seem safe because its latents are merely tiny or huge.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, network: nn.Module, mean: Tensor, spread: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", mean)
        self.register_buffer("spread", spread.clamp_min(_SMALLEST_SPREAD))

    def forward(self, latents: Tensor) -> Tensor:
        """Map latents (samples, *latent) to images (samples, channels, height, width)."""
        images: Tensor = self.network((latents - self.mean) / self.spread)
        return images

    @torch.no_grad()
    def reconstruct(self, latents: Tensor) -> Tensor:
        """Return the images behind latents (samples, *latent), in evaluation mode."""
        self.eval()
        parts = ordered_batches(len(latents), EVALUATION_BATCH)
        return torch.cat([self(latents[part]) for part in parts])


def by_channel(network: nn.Module, latents: Tensor) -> Attacker:
    """Put a network behind the scaling of each channel of latents (samples, *latent)."""
    spread, mean = torch.std_mean(latents, (0, 2, 3), keepdim=True, correction=0)
    return Attacker(network.to(latents.device), mean, spread)


def train_attacker(
    known: Pairs,
    shape: DecoderShape,
    settings: AttackSettings,
    seed: int,
    told: Callable[[], None],
) -> Attacker:
    """Train a decoder from scratch and return it as it was in its best epoch.

    Mean squared error in pixels, Adam; the epoch with the lowest error on known images that
    were kept aside is chosen, in evaluation mode.

    Parameters
    ----------
    known : Pairs
        Latents with their images, at least two.
    shape : DecoderShape
        Capacity.
    settings : AttackSettings
        Epochs, batch, step size and the part kept aside.
    seed : int
        Of the weights, the part kept aside and the order.
    told : Callable[[], None]
        Called after each epoch.

    Raises
    ------
    DataError
        If fewer than two pairs are known.
    """
    learnt, kept = _part(known, settings.validation, seeds.generator(seed, "attack-split"))
    image_shape, latent_shape = known.images.shape[1:], known.latents.shape[1:]
    network = decoder.build(
        shape,
        (latent_shape[0], latent_shape[1], latent_shape[2]),
        (image_shape[0], image_shape[1], image_shape[2]),
        seeds.derive(seed, "attack-weights"),
    )
    attacker = by_channel(network, learnt.latents)
    optimiser = torch.optim.Adam(attacker.parameters(), settings.learning_rate)
    order = seeds.generator(seed, "attack-batches")
    best, lowest = copy.deepcopy(attacker.state_dict()), float("inf")
    for _ in range(settings.epochs):
        attacker.train()
        for index in shuffled_batches(len(learnt), settings.batch, order):
            rows = index.to(learnt.latents.device)
            loss = functional.mse_loss(attacker(learnt.latents[rows]), learnt.images[rows])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        error = float((attacker.reconstruct(kept.latents) - kept.images).square().mean())
        if error < lowest:
            best, lowest = copy.deepcopy(attacker.state_dict()), error
        told()
    attacker.load_state_dict(best)
    return attacker.eval()


def attack(
    known: Pairs,
    unseen: Pairs,
    settings: AttackSettings,
    seed: int,
    told: Callable[[], None],
) -> Iterator[Outcome]:
    """Train an attacker of each capacity from each seed, and test it on unseen images.

    Parameters
    ----------
    known : Pairs
        What the attackers learn from, at least two; 1 % of the target's training images in
        the paper.
    unseen : Pairs
        What they are tested on; at least one.
    settings : AttackSettings
        Which attackers, and how they learn.
    seed : int
        From which each attacker's own seed is derived.
    told : Callable[[], None]
        Called after each epoch of each attacker.

    Raises
    ------
    DataError
        If fewer than two pairs are known.
    """
    for shape in settings.decoder_shapes:
        for repetition in range(settings.repetitions):
            own = seeds.derive(seed, f"attacker-{shape.name}-{repetition}")
            attacker = train_attacker(known, shape, settings, own, told)
            found = attacker.reconstruct(unseen.latents)
            name = f"{shape.name} seed {repetition}"
            yield Outcome(name, measure(found, unseen.images), found.cpu())


def _part(known: Pairs, validation: float, randomness: torch.Generator) -> tuple[Pairs, Pairs]:
    """Keep a part aside, at least one pair and never all."""
    if len(known) < _FEWEST_KNOWN:
        raise DataError(
            f"inversion attack: expected at least {_FEWEST_KNOWN} known images, got {len(known)}; "
            f"raise the part of the images that the attacker knows"
        )
    count = min(max(1, round(len(known) * validation)), len(known) - 1)
    order = torch.randperm(len(known), generator=randomness).to(known.images.device)
    kept, learnt = order[:count], order[count:]
    return (
        Pairs(known.latents[learnt], known.images[learnt]),
        Pairs(known.latents[kept], known.images[kept]),
    )
