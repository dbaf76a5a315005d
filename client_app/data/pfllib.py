"""``pfllib:<dir>``: data that PFLlib or HtFLlib already split over clients.

Client N has ``train/N.npz`` and ``test/N.npz``, each with one dict ``data`` of x and y;
``config.json`` gives ``num_classes``, ``class_names`` if they are known, and, where x are tokens,
``vocabulary``. Images are (samples, channels, height, width): whole numbers from 0 to 255 of any
type are bytes, and floats stay as they are. Numbers of height 1 that are no bytes, or floats
without that axis, are windows of sensor readings; whole numbers (samples, length) are tokens, and
so are lists of them of any lengths beside these lengths, cut or filled up to ``text-length``. A
device needs its own two files and ``config.json`` only; what is no client's file is counted with
the reason for which it is left out. The split is kept as published, so ``partition`` and
``test-fraction`` do not apply.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import torch

from client_app.data import pfllib_config
from client_app.data.collection import require_folder
from client_app.data.folder import DEEPER, unusable, walk
from client_app.data.left_out import LeftOut, told
from client_app.data.looked_at_once import looked_at_once
from client_app.data.pfllib_arrays import samples_of
from strategies.common.errors import DataError
from strategies.common.samples import Samples

PARTS = ("train", "test")
# Values of images beyond these were hardly scaled for a network, which reads bytes as [-1, 1].
_WIDEST = 10.0
_DARKEST = 63

# Why a file is no client's, beside what a folder of images leaves out too.
BESIDE = "beside the folders train and test"
NAMELESS = "not named after a client, as N.npz"
ALONE = "without the same client's file in the other folder"


def files(folder: Path) -> list[Path]:
    """Return every file of the data set, whoever it belongs to.

    Raises
    ------
    DataError
        If there are no client files.
    """
    require_folder(folder, "pfllib")
    found = (path for part in PARTS for path in sorted((folder / part).glob("*.npz")))
    clients = [path for path in found if _is_named(path)]
    if not clients:
        raise DataError(
            f"pfllib: expected train/N.npz and test/N.npz in {folder.absolute()}, found none"
        )
    config = folder / pfllib_config.NAME
    return [config, *clients] if config.is_file() else clients


def left_out(folder: Path) -> LeftOut:
    """Return every file that is neither a client's nor the configuration, by reason.

    Raises
    ------
    DataError
        If there is no folder.
    """
    require_folder(folder, "pfllib")
    both = frozenset.intersection(*(_client_files(folder / part) for part in PARTS))
    found: dict[str, list[str]] = {}
    for place in (folder, *(folder / part for part in PARTS)):
        for path in _strays(
            place, both if place != folder else frozenset((pfllib_config.NAME, *PARTS))
        ):
            found.setdefault(_reason(path, folder), []).append(path.relative_to(folder).as_posix())
    return found


def left_out_notes(folder: Path, client: int) -> tuple[str, ...]:
    """Return one note on what is left out, counted with the client's own files.

    Raises
    ------
    DataError
        If there is no folder.
    """
    stray = _looked_for(folder)
    used = sum(path.is_file() for path in _own(folder, client))
    return told("pfllib", stray, used + sum(map(len, stray.values())))


def files_of(folder: Path, client: int) -> list[Path]:
    """Return the files that decide what one client has and is told.

    They are those of all clients if classes must be counted, and those that are left out, which
    are the same for all clients and looked for once per process: it takes a look at every file.

    Raises
    ------
    DataError
        If there are no client files, or ``config.json`` cannot be understood.
    """
    own = [folder / pfllib_config.NAME, *_own(folder, client)]
    is_enough = pfllib_config.declared_classes(folder) is not None and all(
        path.is_file() for path in own
    )
    deciding = own if is_enough else files(folder)
    stray = [folder / name for names in _looked_for(folder).values() for name in names]
    return list(dict.fromkeys([*deciding, *stray]))


@looked_at_once
def _looked_for(folder: Path) -> LeftOut:
    return left_out(folder)


def read(folder: Path, partition: int) -> tuple[Samples, Samples]:
    """Read one client's training and test samples; floats stay as they are, and texts are none.

    Raises
    ------
    DataError
        As of :func:`read_texts`.
    """
    return read_texts(folder, partition, 0)[:2]


def read_texts(
    folder: Path, partition: int, text_length: int
) -> tuple[Samples, Samples, tuple[str, ...]]:
    """Read one client's training and test samples, texts too, and say how many were cut.

    Raises
    ------
    DataError
        If the client has no files, or they hold anything but x and y.
    """
    train, test = _own(folder, partition)
    if not (train.is_file() and test.is_file()):
        known = files(folder)
        counts = [sum(path.parent.name == part for path in known) for part in PARTS]
        raise DataError(
            f"pfllib {folder}: expected train/{partition}.npz and test/{partition}.npz for client "
            f"{partition}, found {counts[0]} train and {counts[1]} test files of other clients; "
            f"use at most as many clients as the data was split for"
        )
    parts = [samples_of(path, text_length) for path in (train, test)]
    cut, count = sum(num_cut for _, num_cut in parts), sum(len(part) for part, _ in parts)
    note = f"pfllib: {cut} of {count} texts are longer than text-length={text_length} and were cut"
    return parts[0][0], parts[1][0], (note,) if cut else ()


def range_note(folder: Path, train: Samples) -> tuple[str, ...]:
    """Return a sentence on images whose values hardly use, or exceed, what networks expect."""
    values = train.inputs
    if values.ndim != 4:
        return ()
    low, high = (float(value) for value in values.aminmax())
    where = f"pfllib {folder.name}: values of x reach from {low:g} to {high:g}"
    if values.dtype == torch.uint8 and high <= _DARKEST:
        return (f"{where}, of bytes from 0 to 255: if {high:g} is white, scale them to 255",)
    if values.dtype != torch.uint8 and max(-low, high) > _WIDEST:
        return (f"{where} and are taken as they are: networks learn best near [-1, 1]",)
    return ()


def scanned_classes(folder: Path) -> int:
    """Return the highest label of all clients, plus one; reads every file."""
    clients = [path for path in files(folder) if path.suffix == ".npz"]
    return max(int(samples_of(path, 1)[0].labels.max()) for path in clients) + 1


def _own(folder: Path, client: int) -> tuple[Path, Path]:
    train, test = (folder / part / f"{client}.npz" for part in PARTS)
    return train, test


def _is_named(path: Path) -> bool:
    """Tell whether a file's name is that of a client, as it is looked for."""
    stem = path.stem
    return path.suffix == ".npz" and stem.isdecimal() and stem == str(int(stem))


def _client_files(place: Path) -> frozenset[str]:
    # Looked at for every message, and there may be thousands: no file is opened or asked.
    with suppress(OSError), os.scandir(place) as entries:
        return frozenset(e.name for e in entries if e.is_file() and _is_named(Path(e.name)))
    return frozenset()


def _strays(place: Path, used: frozenset[str]) -> Iterator[Path]:
    """Yield every file in a folder but those of some names, sorted."""
    try:
        paths = sorted(path for path in place.iterdir() if path.name not in used)
    except OSError:
        return
    for path in paths:
        yield from walk(path, 1) if path.is_dir() else [path]


def _reason(path: Path, folder: Path) -> str:
    """Return why a file is no client's."""
    parts = path.relative_to(folder).parts
    if fault := unusable(path, folder):
        return fault
    if parts[0] not in PARTS or len(parts) == 1:
        return BESIDE
    if len(parts) > 2:
        return DEEPER
    if not _is_named(path):
        return NAMELESS
    return ALONE
