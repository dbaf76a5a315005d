"""``folder:<dir>``: a device's own images, one subfolder per class.

The images belong to this client alone and are not dealt to others (``dealt_folder.py`` deals
one folder to all). Classes are the sorted
names of the subfolders. All devices of a federation must have the same classes in the same
order: a device that lacks one needs an empty subfolder for it, or a file ``classes.txt``
in the folder with one name per line, the same on all devices. Names are compared and sorted in
Unicode's composed form, so that a folder copied from a Mac has the same classes. Likewise a device
whose images are all grey has one channel, any other three, unless the setting ``channels`` says
otherwise. Every other file is counted with the reason for which it is left out.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from client_app.data import class_list, images
from client_app.data.collection import Collection, Reading, require_folder
from client_app.data.kept_split import Identity
from client_app.data.left_out import LeftOut, reasons
from strategies.common.errors import DataError
from strategies.common.names import normalised, printable

SUFFIXES = (
    *(".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff"),
    ".webp",
)
# Read where Pillow can.
DECODED_BY_SOME = (".avif", ".heic", ".heif", ".jp2")
CLASS_LIST = "classes.txt"

# Why a file is none of the images; each reads on from a number.
HIDDEN = "hidden"
BESIDE = "beside the class folders"
DEEPER = "deeper than one level"
OTHER = "of no format that is read here"
NO_FILE = "no regular files or not to be opened"


@final
@dataclass(frozen=True)
class Listing:
    """What a folder holds.

    Attributes
    ----------
    names : tuple[str, ...]
        The classes.
    paths : list[Path]
        The images, class by class, sorted.
    left_out : LeftOut
        All other files but the class list, by reason.
    """

    names: tuple[str, ...]
    paths: list[Path]
    left_out: LeftOut

    @property
    def total(self) -> int:
        """Files in all."""
        return len(self.paths) + sum(map(len, self.left_out.values()))


def files(folder: Path) -> list[Path]:
    """Return the class folders, and every file, used or not: all of it is told.

    Raises
    ------
    DataError
        If there are no class folders or no images.
    """
    listing = listed(folder)
    others = [folder / name for names in listing.left_out.values() for name in names]
    classes = [folder / CLASS_LIST] if (folder / CLASS_LIST).is_file() else []
    return [*classes, *_class_folders(folder), *listing.paths, *others]


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
    return collection(folder, listed(folder), channels or None)


def listed(folder: Path) -> Listing:
    """Return the classes and the images, and what else there is.

    Raises
    ------
    DataError
        If there are no class folders or no images.
    """
    names = _class_names(folder)
    by_class: dict[str, list[Path]] = {name: [] for name in names}
    left_out: dict[str, list[str]] = {}
    for path in walk(folder):
        name = path.relative_to(folder).as_posix()
        if name == CLASS_LIST:
            continue
        if reason := _reason(path, folder):
            left_out.setdefault(reason, []).append(name)
        else:
            by_class[class_name(path.parent)].append(path)
    paths = [path for name in names for path in sorted(by_class[name], key=_order)]
    listing = Listing(names, paths, left_out)
    if not listing.paths:
        found = f"found none: {reasons(left_out)}" if left_out else "found none"
        raise DataError(
            f"folder: expected images ({', '.join(SUFFIXES)}) in the class folders "
            f"{_quoted(names)} of {folder.absolute()}, {found}"
        )
    return listing


def collection(folder: Path, listing: Listing, channels: int | None) -> Collection:
    """Return images whose class is the folder that they lie in.

    Parameters
    ----------
    folder : Path
        Holds the class folders.
    listing : Listing
        The classes and the images.
    channels : int | None
        1 reads all as grey, 3 as colour; ``None`` keeps grey ones where all that are read
        together are grey.
    """
    position = {name: label for label, name in enumerate(listing.names)}
    labels = torch.tensor([position[class_name(path.parent)] for path in listing.paths])
    return Collection(
        labels,
        listing.names,
        partial(_read_rows, folder, listing.paths, channels),
        identities=partial(identities, folder, listing.paths),
        left_out=listing.left_out,
        total=listing.total,
        files=listing.paths,
    )


def identities(folder: Path, paths: Sequence[Path]) -> list[Identity]:
    """Return what each image is: its path and its contents, of which equal ones belong together."""
    found = []
    for path in paths:
        name = path.relative_to(folder).as_posix()
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()[:32]
        except OSError:
            digest = f"not to be opened: {name}"
        found.append(Identity(name, digest, digest))
    return found


def class_name(folder: Path) -> str:
    """Return the name of the class whose images lie in a folder."""
    return normalised(folder.name)


def walk(place: Path, depth: int = 0) -> Iterator[Path]:
    """Yield every file, folder by folder, sorted by name; links to folders are followed at first.

    A folder that cannot be opened stands for what is in it.
    """
    try:
        inside = sorted(place.iterdir())
    except OSError:
        yield place
        return
    for path in inside:
        if path.is_dir() and not (depth and path.is_symlink()):
            yield from walk(path, depth + 1)
        else:
            yield path


def unusable(path: Path, folder: Path) -> str:
    """Return why what is found in a folder cannot be used, whatever it holds; empty otherwise."""
    if any(part.startswith(".") for part in path.relative_to(folder).parts):
        return HIDDEN
    return "" if path.is_file() else NO_FILE


def _reason(path: Path, folder: Path) -> str:
    """Return why a file is none of the images; empty for one that is."""
    parts = path.relative_to(folder).parts
    if fault := unusable(path, folder):
        return fault
    if len(parts) != 2:
        return BESIDE if len(parts) < 2 else DEEPER
    return "" if is_image(path) else OTHER


def is_image(path: Path) -> bool:
    """Tell by a file's name whether it is of a format that is read here."""
    suffix = path.suffix.lower()
    return suffix in SUFFIXES or (suffix in DECODED_BY_SOME and images.is_decoded(suffix))


def _order(path: Path) -> tuple[str, str, str]:
    """Return what images of one class are sorted by, the same from whatever file system."""
    return path.parent.name, normalised(path.name), path.name


def _class_folders(folder: Path) -> list[Path]:
    """Return the folders named after classes; two forms of one name are two of them.

    Raises
    ------
    DataError
        If there is no folder, or a name is no text, which no device could compare.
    """
    require_folder(folder, "folder")
    try:
        inside = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    except OSError as error:
        raise DataError(
            f"folder: expected a folder that may be opened at {folder.absolute()}, got: "
            f"{error.strerror}; let the node's user read it"
        ) from None
    for place in inside:
        if place.name != printable(place.name):
            raise DataError(
                f"folder: expected class folders whose names are UTF-8, got "
                f"'{printable(place.name)}' in {folder.absolute()}; rename it, the same on all "
                f"devices"
            )
    return inside


def _class_names(folder: Path) -> tuple[str, ...]:
    found = sorted({class_name(place) for place in _class_folders(folder)})
    listing = folder / CLASS_LIST
    if not listing.is_file():
        if not found:
            raise DataError(
                f"folder: expected subfolders named after classes in {folder.absolute()}, found "
                f"none"
            )
        return tuple(found)
    names = class_list.read(listing)
    if unknown := [name for name in found if name not in names]:
        raise DataError(
            f"{listing}: expected a line for every class folder, found none for "
            f"{_quoted(unknown)}; add it on all devices or remove the folder"
        )
    return names


def _quoted(names: Sequence[str]) -> str:
    """List names of classes in quotes, by which a text for the server knows them to be names."""
    return ", ".join(f"'{name}'" for name in names)


def _read_rows(
    folder: Path, paths: list[Path], channels: int | None, rows: Tensor, image_size: int
) -> Reading:
    decoded, kept = [], []
    failed: dict[str, list[str]] = {}
    for position, row in enumerate(rows.tolist()):
        try:
            image = images.read(paths[row], channels, image_size)
        except DataError as error:
            name = paths[row].relative_to(folder).as_posix()
            failed.setdefault(images.reason(error), []).append(name)
            continue
        decoded.append(image)
        kept.append(position)
    if not decoded:
        raise DataError(
            f"folder: none of the {len(rows)} images in {folder.absolute()} could be read: "
            f"{reasons(failed)}"
        )
    inputs = images.stack(decoded, f"folder {folder}")
    return Reading(inputs, torch.tensor(kept), left_out=failed)
