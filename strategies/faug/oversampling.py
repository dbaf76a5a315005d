"""Many images of each label for a generator to learn from, where clients sent a few."""

import torch
from torch import Tensor
from torchvision.transforms import v2

from strategies.common.samples import Samples

# Gentle enough that a 6 stays a 6: degrees, and shares of an image's side.
_TURN, _SHIFT, _SCALE = 10.0, 0.1, (0.9, 1.1)


def oversampled(
    sent: Samples, number: int, open_data: Samples | None, order: torch.Generator
) -> Samples:
    """Return all seeds, and others like them up to so many images of each of their labels.

    Others are of open data; where there are none, variations of the seeds, which are (seeds,
    channels, height, width) uint8.
    """
    found = sent
    for label in sorted(set(sent.labels.tolist())):
        own = sent.of_label(label)
        lacking = max(0, number - len(own))
        if open_data is not None:
            found = found.joined(open_data.of_label(label).drawn(lacking, order))
        elif lacking:
            drawn = 2 * torch.rand(lacking, 4, generator=order) - 1
            like = own.rows(torch.arange(lacking) % len(own))
            moved = [_moved(*pair) for pair in zip(like.inputs, drawn.tolist(), strict=True)]
            found = found.joined(Samples(torch.stack(moved), like.labels))
    return found


def _moved(image: Tensor, draw: list[float]) -> Tensor:
    """Turn, shift and scale an image by numbers in [-1, 1]; its median colours come in."""
    turn, right, down, wide = draw
    side, (low, high) = min(image.shape[1:]), _SCALE
    moved: Tensor = v2.functional.affine(
        image,
        angle=_TURN * turn,
        translate=[round(_SHIFT * side * right), round(_SHIFT * side * down)],
        scale=low + (high - low) * (wide + 1) / 2,
        shear=[0.0, 0.0],
        interpolation=v2.InterpolationMode.BILINEAR,
        fill=image.flatten(1).median(1).values.tolist(),
    )
    return moved
