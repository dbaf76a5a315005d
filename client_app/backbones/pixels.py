"""Pixels as a pretrained model was shown them: its side, its range, its mean."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from client_app.data import images
from strategies.common.errors import DataError, ModelError

_CHANNELS = 3


@final
@dataclass(frozen=True)
class Normalisation:
    """How pixel values become network inputs: ``(pixel * scale - mean) / deviation``.

    Attributes
    ----------
    mean, deviation : tuple[float, ...]
        Of red, green and blue, after scaling.
    scale : float
        Factor on pixel values from 0 to 255.
    """

    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    deviation: tuple[float, ...] = (0.5, 0.5, 0.5)
    scale: float = 1 / 255

    def apply(self, pixels: Tensor, side: int) -> Tensor:
        """Resize a batch and scale it.

        Parameters
        ----------
        pixels : Tensor
            (batch, 3, height, width) uint8.
        side : int
            Height and width of the result.

        Returns
        -------
        Tensor
            (batch, 3, side, side) float32 on the same torch device.

        Raises
        ------
        DataError
            If these are no uint8 colour images.
        """
        if pixels.dtype != torch.uint8 or pixels.dim() != 4 or pixels.shape[1] != _CHANNELS:
            raise DataError(
                f"backbone images: expected (batch, 3, height, width) of uint8, got "
                f"{tuple(pixels.shape)} of {pixels.dtype}; a backbone scales its images itself"
            )
        inputs = images.resize(pixels, side).to(torch.float32)
        mean, deviation = (
            torch.tensor(values, device=inputs.device).view(1, _CHANNELS, 1, 1)
            for values in (self.mean, self.deviation)
        )
        return inputs.mul_(self.scale).sub_(mean).div_(deviation)


def read(processor: Mapping[str, object], where: str) -> Normalisation:
    """Read a saved image processor's settings; absent ones keep the defaults, [-1, 1].

    Raises
    ------
    ModelError
        If a value is not one number per colour.
    """
    plain = Normalisation()
    scale = _numbers(processor, "rescale_factor", (plain.scale,), where)[0]
    if processor.get("do_rescale") is False:
        scale = 1.0
    if processor.get("do_normalize") is False:
        return Normalisation((0.0,) * _CHANNELS, (1.0,) * _CHANNELS, scale)
    return Normalisation(
        _numbers(processor, "image_mean", plain.mean, where),
        _numbers(processor, "image_std", plain.deviation, where),
        scale,
    )


def _numbers(
    processor: Mapping[str, object], key: str, default: tuple[float, ...], where: str
) -> tuple[float, ...]:
    found = processor.get(key)
    if found is None:
        return default
    values = found if isinstance(found, list) else [found] * len(default)
    numbers = tuple(float(value) for value in values if isinstance(value, int | float))
    if len(numbers) == len(values) == len(default):
        return numbers
    raise ModelError(
        f"{where}: expected {key} to be {len(default)} number(s), got {found!r}; copy the "
        f"model's folder again"
    )
