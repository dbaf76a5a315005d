"""``vqa:<dir>``: a device's own pictures and questions, in the hub's image-folder layout.

The folder holds pictures and a ``metadata.jsonl``; or two folders ``train`` and ``test``
that hold such, and then the split is kept as it is. All of it belongs to this client alone
and is not dealt to others.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from torch import Tensor

from client_app.data.collection import require_folder
from client_app.data.folder import unusable, walk
from client_app.data.left_out import some, told
from client_app.data.vqa import metadata, pictures
from client_app.data.vqa.asked import Asked, gather
from client_app.data.vqa.entry import Entry
from client_app.data.vqa.picture_files import MISSING
from client_app.data.vqa.pictures import Picture
from strategies.common.errors import DataError

PARTS = ("train", "test")


def files(folder: Path) -> list[Path]:
    """Return the metadata, the pictures that they name, and every other file: all of it is told.

    Raises
    ------
    DataError
        If there are no metadata, or no line of them can be used.
    """
    tables = [place / metadata.NAME for place in _places(folder)]
    return [*tables, *(path for path in walk(folder) if path not in tables)]


def read(folder: Path) -> tuple[Asked, Asked | None]:
    """Read the questions to train and to test on, and prepare to decode their pictures.

    Returns
    -------
    tuple[Asked, Asked | None]
        Both parts; or all questions, yet to be split, and ``None``.

    Raises
    ------
    DataError
        If there are no metadata, or no line of them can be used.
    """
    places = _places(folder)
    first, *second = [_read(place) for place in places]
    notes = _left_out(folder, places, [first, *second])
    return replace(first, notes=first.notes + notes), (second[0] if second else None)


def _left_out(folder: Path, places: Sequence[Path], parts: Sequence[Asked]) -> tuple[str, ...]:
    """Tell of the files that no question with an answer is about."""
    named = {place / metadata.NAME for place in places}
    for place, asked in zip(places, parts, strict=True):
        named |= {place / picture for picture in asked.pictures}
    others: dict[str, list[str]] = {}
    every = list(walk(folder))
    for path in every:
        if path not in named:
            reason = unusable(path, folder) or "that no question with an answer is about"
            others.setdefault(reason, []).append(path.relative_to(folder).as_posix())
    return told(f"vqa {folder}", others, len(every))


def _places(folder: Path) -> tuple[Path, ...]:
    require_folder(folder, "vqa")
    parts = tuple(folder / part for part in PARTS)
    split = [part for part in parts if (part / metadata.NAME).is_file()]
    if (folder / metadata.NAME).is_file():
        if split:
            raise DataError(
                f"vqa: expected {metadata.NAME} either in {folder.absolute()} or in its folders "
                f"{' and '.join(PARTS)}, found it in both"
            )
        return (folder,)
    if len(split) < len(PARTS):
        raise DataError(
            f"vqa: expected {metadata.NAME} in {folder.absolute()}, or in each of its folders "
            f"{' and '.join(PARTS)}; found it in "
            f"{', '.join(part.name for part in split) or 'neither'}{_beside(folder)}"
        )
    return parts


def _beside(folder: Path) -> str:
    """Tell what lies there in place of the metadata, and how such data are converted."""
    names = [path.name + "/" * path.is_dir() for path in sorted(folder.iterdir())]
    if not names:
        return ", and nothing else"
    return (
        f"; beside it: {some(names)}. Other layouts, such as VQAv2's pairs of JSON files, are "
        f"converted by python -m client_app.data.vqa.convert --questions FILE --images DIR "
        f"--out DIR"
    )


def _read(place: Path) -> Asked:
    entries = [_with_picture(place, each) for each in metadata.read(place / metadata.NAME)]
    named = partial(_named, place, entries)
    return gather(
        entries,
        lambda rows, image_size: pictures.read(named(rows), image_size, f"vqa {place}"),
        f"vqa {place}",
        lambda rows: pictures.digests(named(rows)),
    )


def _with_picture(place: Path, each: Entry) -> Entry:
    """Return an entry, with the reason if its picture is not there."""
    if each.reason or _is_file(place / each.picture):
        return each
    return replace(each, place=f"{each.place}: {each.picture}", reason=MISSING)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _named(place: Path, entries: list[Entry], rows: Tensor) -> list[Picture]:
    names = [entries[row].picture for row in rows.tolist()]
    return [(name, place / name) for name in names]
