"""The adversary of pretraining: decoders that learn to read the client model as it changes.

The client model and the decoders play min over the one, max over the other of
lambda * SSIM(G(C(x)), x) (MocoSFL, ICLR 2023, target-aware ResSFL). Three
things keep the adversary from being outrun: several decoder steps for one step of the client
model, several decoders of which the best reader counts, and fresh ones from time to time.
"""

from typing import final

import torch
from torch import Tensor

from strategies.common import seeds
from taressfl import decoder
from taressfl.decoder import Decoder
from taressfl.settings import PretrainingSettings
from taressfl.ssim import ssim

_SMALLEST_LEVEL = 1e-6


@final
class Adversary:
    """Decoders in training.

    Parameters
    ----------
    settings : PretrainingSettings
        How many, how large and how trained.
    latent_shape, image_shape : tuple[int, int, int]
        (channels, height, width) of a latent and of an image.
    seed : int
        Of the decoders' weights.
    device : torch.device
        Where to compute.
    """

    def __init__(
        self,
        settings: PretrainingSettings,
        latent_shape: tuple[int, int, int],
        image_shape: tuple[int, int, int],
        seed: int,
        device: torch.device,
    ) -> None:
        self._settings = settings
        self._shapes = (latent_shape, image_shape)
        self._seed = seed
        self._device = device
        self._born = 0
        self._steps = 0
        self._decoders = [self._fresh() for _ in range(settings.decoders)]
        self._optimisers = [self._optimiser(network) for network in self._decoders]

    @property
    def decoders(self) -> tuple[Decoder, ...]:
        """The decoders as they are; they read latents whose root mean square is 1."""
        return tuple(self._decoders)

    def learn(self, latents: Tensor, images: Tensor) -> None:
        """Teach every decoder to raise the similarity, and replace one whose time is over.

        Parameters
        ----------
        latents : Tensor
            (samples, *latent); no gradient goes back to them.
        images : Tensor
            (samples, channels, height, width) in [0, 1], what they were made of.
        """
        self._replace()
        seen = _levelled(latents.detach())
        for network, optimiser in zip(self._decoders, self._optimisers, strict=True):
            for _ in range(self._settings.decoder_steps):
                loss = -ssim(network(seen), images).mean()
                optimiser.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
        self._steps += 1

    def push(self, latents: Tensor, images: Tensor) -> tuple[float, Tensor | None]:
        """Say how well the best decoder reads, and which way the latents should move.

        Parameters
        ----------
        latents, images : Tensor
            As for :meth:`learn`.

        Returns
        -------
        tuple[float, Tensor | None]
            The highest mean similarity s of a decoder; and the gradient of
            lambda * (s - s*) with respect to the latents, of their shape, or ``None`` where
            s is not above s*.
        """
        leaf = latents.detach().requires_grad_()
        seen = _levelled(leaf)
        read = torch.stack([ssim(network(seen), images).mean() for network in self._decoders])
        best = read.max()
        similarity = float(best.detach())
        if similarity <= self._settings.ssim_target:
            return similarity, None
        (gradient,) = torch.autograd.grad(self._settings.ssim_weight * best, [leaf])
        return similarity, gradient

    def _replace(self) -> None:
        """Replace one decoder in turn, so that each lives for the lifetime."""
        lifetime = self._settings.decoder_lifetime
        count = len(self._decoders)
        if not lifetime or self._steps == 0:
            return
        # The k-th of n is born at k / n of a lifetime, and again after each whole one.
        for place in range(count):
            if (self._steps - place * lifetime // count) % lifetime == 0:
                self._decoders[place] = self._fresh()
                self._optimisers[place] = self._optimiser(self._decoders[place])

    def _fresh(self) -> Decoder:
        own = seeds.derive(self._seed, "adversary", round_number=self._born)
        self._born += 1
        return decoder.build(self._settings.decoder_shape, *self._shapes, own).to(self._device)

    def _optimiser(self, network: Decoder) -> torch.optim.Adam:
        return torch.optim.Adam(network.parameters(), self._settings.decoder_learning_rate)


def _levelled(latents: Tensor) -> Tensor:
    """Bring a batch to a root mean square of 1: latents must not hide by being tiny."""
    level = latents.detach().square().mean().sqrt().clamp_min(_SMALLEST_LEVEL)
    return latents / level
