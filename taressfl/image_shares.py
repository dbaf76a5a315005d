"""Which images a server trains a client model on, which an attacker knows, and which neither."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from client_app.data.copies import digests
from strategies.common import seeds
from strategies.common.errors import SettingsError
from strategies.common.inputs import inputs_of
from strategies.common.samples import Samples
from strategies.common.task import Task
from taressfl.image_pool import ImagePool
from taressfl.pretraining import Material

# One image to learn from, one to choose the epoch by.
_FEWEST_KNOWN = 2


@final
@dataclass(frozen=True)
class Shares:
    """How many images go where.

    Attributes
    ----------
    target_fraction : float
        Part of the target's images, without the unseen ones, that is trained on; 0 for none.
    known_fraction : float
        Part of the same that attackers know. The smaller of both shares is within the
        larger: it is all that the server holds.
    unseen : int
        Images of the target on which attackers are tested; never shown before.
    auxiliary : int
        Auxiliary images at most; 0 for all.
    """

    target_fraction: float
    known_fraction: float
    unseen: int
    auxiliary: int


@final
@dataclass(frozen=True)
class Images:
    """Images, dealt.

    Attributes
    ----------
    material : Material
        To train on.
    known : Samples
        What attackers know.
    unseen : Samples
        What attackers are tested on.
    held : Tensor
        (images,) int64 rows of the target's pool other than the unseen ones; what is trained
        on and what is known are its first.
    task : Task
        Shape of all of them; the classes are the target's.
    notes : tuple[str, ...]
        What the user should know, in plain sentences.
    """

    material: Material
    known: Samples
    unseen: Samples
    held: Tensor
    task: Task
    notes: tuple[str, ...] = ()

    @property
    def others(self) -> Tensor:
        """Images that the server holds beside the known ones, each once.

        (images, channels, height, width), raw: of the target's those it trained on, and all
        auxiliary ones.
        """
        images = torch.cat([self.material.target, self.material.auxiliary])
        seen = {image.numpy().tobytes() for image in self.known.inputs}
        rows = []
        for row, image in enumerate(images):
            content = image.numpy().tobytes()
            if content not in seen:
                seen.add(content)
                rows.append(row)
        return images[rows]


def deal(target: ImagePool, auxiliary: ImagePool, shares: Shares, side: int, seed: int) -> Images:
    """Deal and read images; auxiliary ones take the target's size and channels.

    Parameters
    ----------
    target, auxiliary : ImagePool
        Where images come from. Where both are one source, unseen images are left out of the
        auxiliary ones too.
    shares : Shares
        How many go where.
    side : int
        Side in pixels to which all are resized; 0 keeps the target's own.
    seed : int
        Root seed of the order.

    Raises
    ------
    SettingsError
        If attackers would know fewer than two images.
    DataError
        If the images cannot be read.
    """
    order = torch.randperm(target.count, generator=seeds.generator(seed, "target-images"))
    unseen, held = order[: shares.unseen], order[shares.unseen :]
    num_target = round(shares.target_fraction * len(held))
    num_known = round(shares.known_fraction * len(held))
    if num_known < _FEWEST_KNOWN:
        raise SettingsError(
            f"known-fraction: expected at least {_FEWEST_KNOWN} of the {len(held)} images that "
            f"{target.source} has beside {len(unseen)} unseen ones, got {num_known}; raise it"
        )
    tested = target.read(unseen, side, 0)
    channels, height, width = tested.inputs.shape[1:]
    known = target.read(held[:num_known], side, channels)
    seen = tested.inputs[:0]
    if num_target:
        seen = target.read(held[:num_target], side, channels).inputs
    rows = held if auxiliary.source == target.source else torch.arange(auxiliary.count)
    # An image that is not square cannot be met by resizing; equal sizes need none.
    fitted = height if height == width else side
    others = auxiliary.read(_some(rows, shares.auxiliary, seed), fitted, channels)
    return Images(
        material=Material(seen, others.inputs),
        known=known,
        unseen=tested,
        held=held,
        task=Task(target.num_classes, inputs_of(tested.inputs), feature_dim=0),
        notes=_copies_told(
            tested.inputs,
            {
                "that are trained on": seen,
                "auxiliary ones": others.inputs,
                "that attackers know": known.inputs,
            },
        ),
    )


def _copies_told(unseen: Tensor, shown: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Return a sentence on unseen images that are shown all the same, as exact copies."""
    tested = digests(unseen)
    known = {name: set(digests(images)) for name, images in shown.items()}
    every = set[bytes]().union(*known.values())
    if not (total := sum(one in every for one in tested)):
        return ()
    counts = {name: sum(one in own for one in tested) for name, own in known.items()}
    where = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return (
        f"{total} of {len(tested)} unseen images are exact copies of images that are not: {where}; "
        f"attacks on them are of what was seen",
    )


def _some(rows: Tensor, limit: int, seed: int) -> Tensor:
    """Choose at most so many rows; 0 for all."""
    generator = seeds.generator(seed, "auxiliary-images")
    return rows[torch.randperm(len(rows), generator=generator)[: limit or None]]
