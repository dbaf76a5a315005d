"""What an honest-but-curious server holds: latents, and the images behind a few of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from strategies.common.errors import DataError
from strategies.common.samples import ordered_batches, prepare
from strategies.common.split.settings import SplitSettings
from strategies.common.split.wire.codec import decode_activations, encode_activations
from strategies.common.training import EVALUATION_BATCH

Codec = Callable[[Tensor], Tensor]

# Rounding may push a pixel past the end of its range.
_SLACK = 1e-4


@final
@dataclass(frozen=True)
class Pairs:
    """Images with the latents that a client model makes of them.

    Attributes
    ----------
    latents : Tensor
        (samples, *latent) float32, as they arrive at the server.
    images : Tensor
        (samples, channels, height, width) float32 in [0, 1].
    """

    latents: Tensor
    images: Tensor

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.images)


def as_sent(latents: Tensor) -> Tensor:
    """Return latents that travel unchanged: the codec ``float32``."""
    return latents


def travelled(split: SplitSettings) -> Codec:
    """Return how latents arrive that travel by a run's codec."""

    def there_and_back(latents: Tensor) -> Tensor:
        values = latents.unsqueeze(0).cpu().contiguous().numpy()  # (one client, samples, *latent)
        where = "inversion attack: latents"
        coded = encode_activations(values, split.codec, split.max_value, where)
        found = decode_activations(coded, values.shape, split.codec, split.max_value, where)
        return torch.from_numpy(found[0]).to(latents.device)

    return there_and_back


def to_unit(inputs: Tensor) -> Tensor:
    """Bring network inputs from [-1, 1] to pixels in [0, 1].

    Raises
    ------
    DataError
        If a value lies outside; such data are no images.
    """
    low, high = float(inputs.min()), float(inputs.max())
    if low < -1 - _SLACK or high > 1 + _SLACK:
        raise DataError(
            f"inversion attack: expected images scaled to [-1, 1], got values from {low:.3g} to "
            f"{high:.3g}; an attack is measured on images, so name a source of uint8 images"
        )
    return inputs.add(1).div(2).clamp(0, 1)


@torch.no_grad()
def intercept(front: nn.Module, inputs: Tensor, codec: Codec, device: torch.device) -> Pairs:
    """Run images through a client model and take what reaches the server.

    Parameters
    ----------
    front : nn.Module
        Client model on ``device``; put into evaluation mode.
    inputs : Tensor
        (samples, channels, height, width) raw inputs, uint8 or scaled to [-1, 1].
    codec : Codec
        There and back again: latents (samples, *latent) as the server decodes them.
    device : torch.device
        Where to compute; the pairs lie there.

    Raises
    ------
    DataError
        If the inputs are no images.
    """
    front.eval()
    scaled = prepare(inputs.to(device))
    latents = [
        codec(front(scaled[part])) for part in ordered_batches(len(scaled), EVALUATION_BATCH)
    ]
    return Pairs(torch.cat(latents), to_unit(scaled))
