"""Files through an exported model: images as the source ``folder`` reads them, and windows."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, final

import torch
from torch import Tensor

from client_app.data import folder, images
from client_app.data.left_out import shown
from client_app.exporting import card, window_files
from client_app.exporting.card import ModelCard
from client_app.exporting.opened import Opened
from strategies.common.errors import DataError, ModelError
from strategies.common.inputs import Images, Windows
from strategies.common.samples import ordered_batches, prepare

_BATCH: Final = 64


@final
@dataclass
class Gathered:
    """The files to classify.

    Attributes
    ----------
    paths : list[Path]
        Images or windows, in the order in which they were named; those of a folder sorted.
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
    place, of : int
        Which of how many inputs of a file; an image is one of one.
    """

    path: Path
    best: tuple[tuple[str, float], ...] = ()
    reason: str = ""
    place: int = 0
    of: int = 1

    @property
    def name(self) -> str:
        """What it is called: by its place where its file holds several."""
        return str(self.path) if self.of == 1 else f"{self.path}[{self.place}]"

    @property
    def is_last(self) -> bool:
        """Whether nothing more comes of its file."""
        return self.place == self.of - 1


def gather(named: Iterable[Path], what: Images | Windows) -> Gathered:
    """Return what a model reads among files and folders, which are searched to their depths."""
    found = Gathered()
    is_readable = folder.is_image if isinstance(what, Images) else window_files.is_array
    for place in named:
        try:
            _gather(found, place, what, is_readable)
        except OSError as error:
            found.refused[str(place)] = f"cannot be looked at ({error.strerror or error})"
    return found


def _gather(
    found: Gathered, place: Path, what: Images | Windows, is_readable: Callable[[Path], bool]
) -> None:
    if place.is_dir():
        inside = list(folder.walk(place))
        usable = [p for p in inside if not folder.unusable(p, place) and is_readable(p)]
        found.paths += usable
        found.left_out += len(inside) - len(usable)
        if not usable:
            found.refused[str(place)] = f"a folder without {called(what)}"
    elif place.is_file():
        found.paths.append(place)
    else:
        found.refused[str(place)] = "no such file or folder"


def called(what: Images | Windows) -> str:
    """Return what files of a kind are called."""
    return "images" if isinstance(what, Images) else f"windows ({window_files.SUFFIX})"


def require_files(opened: Opened) -> Images | Windows:
    """Return what the model reads.

    Raises
    ------
    ModelError
        If that comes in no file that is read here, or its outputs are no classes.
    """
    what = opened.card.what
    if not isinstance(what, Images | Windows):
        raise ModelError(
            f"model of {opened.card.run}: expected one that reads images or windows, got {what}; "
            f"load model.safetensors by client_app.exporting.opened in a program of your own"
        )
    if opened.card.outputs != card.SCORES:
        raise ModelError(
            f"model of {opened.card.run}: expected one with scores of classes, got one whose "
            f"outputs are features; train a classifier on them"
        )
    return what


def classify(opened: Opened, paths: Sequence[Path], top: int) -> Iterator[Classified]:
    """Classify files batch by batch, in their order; whoever asks may stop at any time.

    Parameters
    ----------
    opened : Opened
        The model.
    paths : Sequence[Path]
        Files.
    top : int
        Classes to tell of each, at most all.
    """
    what = require_files(opened)
    for rows in ordered_batches(len(paths), _BATCH):
        part = paths[rows]
        read = [_read(path, what, opened.card) for path in part]
        inputs = [one for one in read if isinstance(one, Tensor)]
        best = iter(best_of(opened, torch.cat(inputs), top) if inputs else ())
        for path, one in zip(part, read, strict=True):
            if isinstance(one, str):
                yield Classified(path, reason=one)
            else:
                count = len(one)
                yield from (classified(path, next(best), n, count) for n in range(count))


def classified(
    path: Path, best: tuple[tuple[str, float], ...], place: int = 0, of: int = 1
) -> Classified:
    """Return what came of one input; it is refused where the model came to no numbers."""
    reason = "" if best else "the model's scores are no finite numbers: its values are too large"
    return Classified(path, best, reason, place, of)


def _read(path: Path, what: Images | Windows, told: ModelCard) -> Tensor | str:
    """Return inputs (of one file, ...) as the model reads them; or why they cannot be any."""
    if isinstance(what, Windows):
        return window_files.read(path, what, told.window_length)
    try:
        image = images.read(path, what.channels, told.image_size)
    except DataError as error:
        return shown(str(error))
    got, wanted = tuple(image.shape[1:]), (what.height, what.width)
    if got != wanted:
        return (
            f"expected {wanted[1]}x{wanted[0]} pixels, got {got[1]}x{got[0]}: the model was "
            f"trained without image-size, on images as they were"
        )
    return image[None]


def best_of(opened: Opened, inputs: Tensor, top: int) -> list[tuple[tuple[str, float], ...]]:
    """Return the best classes of inputs as they are stored, with their scores in [0, 1].

    There are none of an input for which an output is no finite number.
    """
    with torch.no_grad():
        parts = (inputs[part] for part in ordered_batches(len(inputs), _BATCH))
        scores = torch.cat([opened.network(prepare(part)) for part in parts])
    names = opened.card.classes
    values, places = scores.softmax(1).topk(min(top, len(names)), dim=1)
    # The first of equal ones, as a test takes it.
    places[:, 0] = scores.argmax(1)
    sound = scores.isfinite().all(1).tolist()
    return [
        tuple((names[place], value) for place, value in zip(row, own, strict=True)) if fine else ()
        for row, own, fine in zip(places.tolist(), values.tolist(), sound, strict=True)
    ]
