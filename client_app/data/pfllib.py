"""``pfllib:<dir>``: data that PFLlib or HtFLlib already split over clients.

Client N has ``train/N.npz`` and ``test/N.npz``, each with one dict ``data`` of x and y;
``config.json`` gives ``num_classes`` and, where x are tokens, ``vocabulary``. Images are
(samples, channels, height, width); floats of height 1, or without that axis, are windows of
sensor readings; whole numbers (samples, length) are tokens. A device needs its own two files and
``config.json`` only. The split is kept as published, so ``partition`` and
``test-fraction`` do not apply.
"""

import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from client_app.data import npz
from client_app.data.collection import require_folder
from strategies.common.errors import DataError
from strategies.common.samples import Samples

PARTS = ("train", "test")


def files(folder: Path) -> list[Path]:
    """Return every file of the data set, whoever it belongs to.

    Raises
    ------
    DataError
        If there are no client files.
    """
    require_folder(folder, "pfllib")
    clients = [path for part in PARTS for path in sorted((folder / part).glob("*.npz"))]
    if not clients:
        raise DataError(
            f"pfllib: expected train/N.npz and test/N.npz in {folder.absolute()}, found none"
        )
    config = folder / "config.json"
    return [config, *clients] if config.is_file() else clients


def files_of(folder: Path, client: int) -> list[Path]:
    """Return the files that decide what one client has: those of all if classes must be counted.

    Raises
    ------
    DataError
        If there are no client files, or ``config.json`` cannot be understood.
    """
    own = [folder / "config.json", *(folder / part / f"{client}.npz" for part in PARTS)]
    if declared_classes(folder) is not None and all(path.is_file() for path in own):
        return own
    return files(folder)


def read(folder: Path, partition: int) -> tuple[Samples, Samples]:
    """Read one client's training and test samples; floats stay as they are.

    Raises
    ------
    DataError
        If the client has no files, or they hold anything but x and y.
    """
    train, test = (folder / part / f"{partition}.npz" for part in PARTS)
    if not (train.is_file() and test.is_file()):
        known = files(folder)
        counts = [sum(path.parent.name == part for path in known) for part in PARTS]
        raise DataError(
            f"pfllib {folder}: expected train/{partition}.npz and test/{partition}.npz for client "
            f"{partition}, found {counts[0]} train and {counts[1]} test files of other clients; "
            f"use at most as many clients as the data was split for"
        )
    return _samples(train), _samples(test)


def declared_classes(folder: Path) -> int | None:
    """Return the number of classes in ``config.json``, if it gives one.

    Raises
    ------
    DataError
        If the file is there but cannot be understood.
    """
    return _declared(folder, "num_classes")


def vocabulary(folder: Path, train: Samples, test: Samples) -> int:
    """Return how many numbers a token can have by ``config.json``; 0 if x are no tokens.

    Raises
    ------
    DataError
        If it is not given, or a token is not below it.
    """
    parts = [part.inputs for part in (train, test) if part.inputs.dtype == torch.int64]
    if not parts:
        return 0
    highest = max(int(part.max()) for part in parts)
    count = _declared(folder, "vocabulary") or 0
    if highest >= count:
        raise DataError(
            f"{folder / 'config.json'}: expected vocabulary to be more than token {highest} of "
            f"this client, got {count or 'none'}; write how many numbers tokens can have in all "
            f'clients\' data, e.g. "vocabulary": {highest + 1}'
        )
    return count


def scanned_classes(folder: Path) -> int:
    """Return the highest label of all clients, plus one; reads every file."""
    clients = [path for path in files(folder) if path.suffix == ".npz"]
    return max(int(_samples(path).labels.max()) for path in clients) + 1


def _declared(folder: Path, key: str) -> int | None:
    path = folder / "config.json"
    if not path.is_file():
        return None
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        count = config.get(key)
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise DataError(f"{path}: expected a JSON object, got: {error}") from None
    if count is not None and (type(count) is not int or count < 1):
        raise DataError(f"{path}: expected {key} to be a positive integer, got {count!r}")
    return count


def _samples(path: Path) -> Samples:
    arrays = npz.read(path)
    if not {"x", "y"} <= set(arrays):
        raise DataError(f"{path}: expected the arrays x and y, got {', '.join(arrays) or 'none'}")
    x, y = arrays["x"], arrays["y"]
    if y.shape != x.shape[:1] or len(y) == 0:
        raise DataError(f"{path}: expected one y for each x, got x {x.shape} and y {y.shape}")
    if y.dtype.kind not in "iu" or int(y.min()) < 0:
        raise DataError(f"{path}: expected y to be class numbers from 0, got {y.dtype} {y[:5]}")
    inputs = _inputs(x, path)
    if not bool(torch.isfinite(inputs).all()):
        raise DataError(f"{path}: expected finite x, got NaN or infinity")
    return Samples(inputs, torch.tensor(y.astype("int64")))


def _inputs(x: NDArray[np.generic], path: Path) -> Tensor:
    if x.ndim == 4 and x.dtype == "uint8":
        return torch.tensor(x)
    if x.ndim == 4:
        values = torch.tensor(x, dtype=torch.float32)
        return values.squeeze(2) if values.shape[2] == 1 else values
    if x.ndim == 3 and x.dtype.kind == "f":
        return torch.tensor(x, dtype=torch.float32)
    if x.ndim == 2 and x.dtype.kind in "iu" and x.size and int(x.min()) >= 0:
        return torch.tensor(x.astype("int64"))
    raise DataError(
        f"{path}: expected x as images (samples, channels, height, width), windows of floats "
        f"(samples, channels, steps) or tokens from 0 (samples, length), got {x.dtype} of shape "
        f"{x.shape}"
    )
