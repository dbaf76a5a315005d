"""``folder:<dir>``: a device's own images, one subfolder per class.

The images belong to this client alone and are not dealt to others (``dealt_folder.py`` deals
one folder to all). Classes are the sorted
names of the subfolders. All devices of a federation must have the same classes in the same
order: a device that lacks one needs an empty subfolder for it, or a file ``classes.txt``
in the folder with one name per line, the same on all devices. Names are compared and sorted in
Unicode's composed form, so that a folder copied from a Mac has the same classes. Likewise a device
whose images are all grey has one channel, any other three, unless the setting ``channels`` says
otherwise.
"""

from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from client_app.data import images
from client_app.data.collection import Collection, Reading, require_folder
from strategies.common.errors import DataError
from strategies.common.names import normalised, printable

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
CLASS_LIST = "classes.txt"
NAMED_FAILURES = 5


def files(folder: Path) -> list[Path]:
    """Return the class list, if there is one, and the images, sorted.

    Raises
    ------
    DataError
        If there are no class folders or no images.
    """
    names = _class_names(folder)
    listed = [folder / CLASS_LIST] if (folder / CLASS_LIST).is_file() else []
    return listed + _images(folder, names)


def read(folder: Path, channels: int = 0) -> Collection:
    """List a folder's images, and prepare to decode chosen ones.

    Parameters
    ----------
    folder : Path
        Holds the class folders.
    channels : int
        1 reads all as grey, 3 as colour; 0 keeps grey ones where all that are read together are.

    Raises
    ------
    DataError
        If there are no class folders or no images.
    """
    names, paths = listed(folder)
    return collection(folder, names, paths, channels or None)


def listed(folder: Path) -> tuple[tuple[str, ...], list[Path]]:
    """Return the classes and the images, sorted.

    Raises
    ------
    DataError
        If there are no class folders or no images.
    """
    names = _class_names(folder)
    return names, _images(folder, names)


def collection(
    folder: Path, names: tuple[str, ...], paths: list[Path], channels: int | None
) -> Collection:
    """Return images whose class is the folder that they lie in.

    Parameters
    ----------
    folder : Path
        Holds the class folders.
    names : tuple[str, ...]
        The classes.
    paths : list[Path]
        The images.
    channels : int | None
        1 reads all as grey, 3 as colour; ``None`` keeps grey ones where all that are read
        together are grey.
    """
    labels = torch.tensor([names.index(normalised(path.parent.name)) for path in paths])
    return Collection(labels, names, partial(_read_rows, folder, paths, channels))


def _class_names(folder: Path) -> tuple[str, ...]:
    require_folder(folder, "folder")
    found = sorted({normalised(place.name) for place in _class_folders(folder)})
    listing = folder / CLASS_LIST
    if not listing.is_file():
        if not found:
            raise DataError(
                f"folder: expected subfolders named after classes in {folder.absolute()}, found "
                f"none"
            )
        return tuple(found)
    try:
        lines = listing.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f"{listing}: expected UTF-8 text, got: {error}") from None
    names = tuple(normalised(line.strip()) for line in lines if line.strip())
    if len(set(names)) < len(names) or not names:
        raise DataError(f"{listing}: expected class names, one per line, each once")
    if unknown := [name for name in found if name not in names]:
        raise DataError(
            f"{listing}: expected a line for every class folder, found none for "
            f"{', '.join(unknown)}; add it on all devices or remove the folder"
        )
    return names


def _class_folders(folder: Path) -> list[Path]:
    """Return the folders named after classes; two forms of one name are two of them.

    Raises
    ------
    DataError
        If a name is no text, which no device could compare.
    """
    inside = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    for place in inside:
        if place.name != printable(place.name):
            raise DataError(
                f"folder: expected class folders whose names are UTF-8, got "
                f"{printable(place.name)} in {folder.absolute()}; rename it, the same on all "
                f"devices"
            )
    return inside


def _images(folder: Path, names: tuple[str, ...]) -> list[Path]:
    # A listed class without a folder here has no images.
    order = {name: label for label, name in enumerate(names)}
    inside = sorted(_class_folders(folder), key=lambda place: order[normalised(place.name)])
    paths = [
        path
        for place in inside
        for path in sorted(place.iterdir(), key=lambda path: (normalised(path.name), path.name))
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
    ]
    if not paths:
        raise DataError(
            f"folder: expected images ({', '.join(SUFFIXES)}) in the class folders "
            f"{', '.join(names)} of {folder.absolute()}, found none"
        )
    return paths


def _read_rows(
    folder: Path, paths: list[Path], channels: int | None, rows: Tensor, image_size: int
) -> Reading:
    decoded, kept, failed = [], [], []
    for position, row in enumerate(rows.tolist()):
        try:
            image = images.decode(paths[row], channels)
        except DataError:
            failed.append(printable(paths[row].relative_to(folder).as_posix()))
            continue
        decoded.append(images.resize(image.unsqueeze(0), image_size)[0])
        kept.append(position)
    if not decoded:
        raise DataError(
            f"folder: none of the {len(rows)} images in {folder.absolute()} could be read, e.g. "
            f"{failed[0]}"
        )
    inputs = images.stack(decoded, f"folder {folder}")
    return Reading(inputs, torch.tensor(kept), _note(failed, len(rows)))


def _note(failed: list[str], count: int) -> tuple[str, ...]:
    if not failed:
        return ()
    shown = ", ".join(failed[:NAMED_FAILURES])
    more = f" and {len(failed) - NAMED_FAILURES} more" if len(failed) > NAMED_FAILURES else ""
    were = "was" if len(failed) == 1 else "were"
    return (
        f"folder: {len(failed)} of {count} images could not be read and {were} skipped: "
        f"{shown}{more}",
    )
