"""Image files through an exported model, read as the data source ``folder`` reads them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, final

import torch
from torch import Tensor

from client_app.data import folder, images
from client_app.data.left_out import shown
from client_app.exporting import card
from client_app.exporting.opened import Opened
from strategies.common.errors import DataError, ModelError
from strategies.common.inputs import Images
from strategies.common.samples import ordered_batches, prepare

_BATCH: Final = 64


@final
@dataclass
class Gathered:
    """The files to classify.

    Attributes
    ----------
    paths : list[Path]
        Images, in the order in which they were named; those of a folder sorted.
    refused : dict[str, str]
        What was named and is none, with the reason.
    left_out : int
        Files of other formats within folders.
    """

    paths: list[Path] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    left_out: int = 0


@final
@dataclass(frozen=True)
class Classified:
    """What came of one file.

    Attributes
    ----------
    path : Path
        The file.
    best : tuple[tuple[str, float], ...]
        Classes with their scores in [0, 1], the highest first; empty where it was refused.
    reason : str
        Why it was refused.
    """

    path: Path
    best: tuple[tuple[str, float], ...] = ()
    reason: str = ""


def gather(named: Iterable[Path]) -> Gathered:
    """Return the image files among files and folders, which are searched to their depths."""
    found = Gathered()
    for place in named:
        if place.is_dir():
            inside = list(folder.walk(place))
            usable = [p for p in inside if not folder.unusable(p, place) and folder.is_image(p)]
            found.paths += usable
            found.left_out += len(inside) - len(usable)
            if not usable:
                found.refused[str(place)] = "a folder without images"
        elif place.is_file():
            found.paths.append(place)
        else:
            found.refused[str(place)] = "no such file or folder"
    return found


def require_images(opened: Opened) -> Images:
    """Return what the model reads.

    Raises
    ------
    ModelError
        If that is no image, or its outputs are no classes.
    """
    what = opened.card.what
    if not isinstance(what, Images):
        raise ModelError(
            f"model of {opened.card.run}: expected one that reads images, got one for {what}; "
            f"load model.safetensors by client_app.exporting.opened in a program of your own"
        )
    if opened.card.outputs != card.SCORES:
        raise ModelError(
            f"model of {opened.card.run}: expected one with scores of classes, got one whose "
            f"outputs are features; train a classifier on them"
        )
    return what


def classify(opened: Opened, paths: Sequence[Path], top: int) -> Iterator[Classified]:
    """Classify image files batch by batch, in their order; whoever asks may stop at any time.

    Parameters
    ----------
    opened : Opened
        The model.
    paths : Sequence[Path]
        Files.
    top : int
        Classes to tell of each, at most all.
    """
    what = require_images(opened)
    for rows in ordered_batches(len(paths), _BATCH):
        part = paths[rows]
        read = [_read(path, what, opened.card.image_size) for path in part]
        inputs = [one for one in read if isinstance(one, Tensor)]
        best = iter(best_of(opened, torch.stack(inputs), top) if inputs else ())
        for path, one in zip(part, read, strict=True):
            if isinstance(one, str):
                yield Classified(path, reason=one)
            else:
                yield Classified(path, next(best))


def _read(path: Path, what: Images, side: int) -> Tensor | str:
    """Return an image as the model reads it, not yet normalised; or why it cannot be one."""
    try:
        image = images.read(path, what.channels, side)
    except DataError as error:
        return shown(str(error))
    got, wanted = tuple(image.shape[1:]), (what.height, what.width)
    if got != wanted:
        return (
            f"expected {wanted[1]}x{wanted[0]} pixels, got {got[1]}x{got[0]}: the model was "
            f"trained without image-size, on images as they were"
        )
    return image


def best_of(opened: Opened, inputs: Tensor, top: int) -> list[tuple[tuple[str, float], ...]]:
    """Return the best classes of inputs as they are stored, with their scores in [0, 1]."""
    with torch.no_grad():
        scores: Tensor = opened.network(prepare(inputs))
    names = opened.card.classes
    values, places = scores.softmax(1).topk(min(top, len(names)), dim=1)
    # The first of equal ones, as a test takes it.
    places[:, 0] = scores.argmax(1)
    return [
        tuple((names[place], value) for place, value in zip(row, own, strict=True))
        for row, own in zip(places.tolist(), values.tolist(), strict=True)
    ]
