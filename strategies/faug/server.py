"""FAug on the server: one generator of all clients' seeds."""

from collections.abc import Callable, Sequence
from typing import Final

import torch
from torchvision.utils import make_grid

from strategies.common import seeds
from strategies.common.agreed import Agreed
from strategies.common.round import Aggregated, Picture
from strategies.common.samples import Samples
from strategies.faug.gan import trained
from strategies.faug.oversampling import oversampled
from strategies.faug.wire import Generator, Seeds

# Images of each label in a picture.
_SHOWN: Final = 8


def make(
    agreed: Agreed,
    uploads: Sequence[Seeds],
    open_data: Samples | None,
    device: torch.device,
    watch: Callable[[int, int], None],
) -> tuple[Generator, Aggregated] | None:
    """Make a generator, with what is to be told of it; ``None`` where no seeds came.

    Uploads are sorted by partition; open data are there where the oversampler takes some. The
    watcher is told each step, and of how many.
    """
    shape, root = agreed.task.inputs.shape, agreed.run.seed
    pixels = torch.cat([own.pixels for own in uploads]).view(-1, *shape)
    sent = Samples(pixels, torch.cat([own.labels for own in uploads]))
    if not len(sent):
        return None
    order = seeds.generator(root, "faug oversampling")
    images = oversampled(sent, agreed.settings.oversampled, open_data, order)
    generator, losses = trained(agreed, images, device, watch)
    known = torch.unique(sent.labels)
    named, order = known.repeat_interleave(_SHOWN), seeds.generator(root, "faug pictures")
    shown = generator.drawn(named, order).view(-1, _SHOWN, *shape)
    pictures = tuple(
        Picture(f"faug-class-{label}", make_grid(own, _SHOWN // 2, padding=0)[-3:])
        for label, own in zip(known.tolist(), shown, strict=True)
    )
    numbers = {"faug_seeds": float(len(sent)), "faug_labels": float(len(known)), **losses}
    return Generator.of(generator, labels=known), Aggregated(numbers, pictures=pictures)
