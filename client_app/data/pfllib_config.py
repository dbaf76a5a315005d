"""``config.json`` beside the files of PFLlib or HtFLlib: what no single client's file tells."""

import json
from pathlib import Path
from typing import Any, Final

import torch

from strategies.common.errors import DataError
from strategies.common.samples import Samples
from strategies.common.settings import LARGEST
from strategies.common.transport.ranges import MAX_CLASSES

NAME: Final = "config.json"


def declared_classes(folder: Path) -> int | None:
    """Return the number of classes in ``config.json``, if it gives one.

    Raises
    ------
    DataError
        If the file is there but cannot be understood.
    """
    return _declared(folder, "num_classes", MAX_CLASSES)


def class_names(folder: Path, num_classes: int) -> tuple[str, ...]:
    """Return the names in ``config.json``, or numbers where it gives none.

    Raises
    ------
    DataError
        If it gives anything but one text for each class.
    """
    names = _entry(folder, "class_names")
    if names is None:
        return tuple(str(label) for label in range(num_classes))
    is_list = isinstance(names, list)
    texts = sum(isinstance(name, str) for name in names) if is_list else 0
    if not is_list or not texts == len(names) == num_classes:
        got = f"a list of {len(names)}, of which {texts} are texts" if is_list else "no list"
        # Not which: names of classes may be this device's own business.
        raise DataError(
            f"{folder / 'config.json'}: expected class_names to be a list of {num_classes} texts, "
            f"one for each class, got {got}; write as many as num_classes says"
        )
    return tuple(names)


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
    count = _declared(folder, "vocabulary", LARGEST) or 0
    if highest >= count:
        raise DataError(
            f"{folder / 'config.json'}: expected vocabulary to be more than token {highest} of "
            f"this client, got {count or 'none'}; write how many numbers tokens can have in all "
            f'clients\' data, e.g. "vocabulary": {highest + 1}'
        )
    return count


def _declared(folder: Path, key: str, most: int) -> int | None:
    count = _entry(folder, key)
    if count is None:
        return None
    if type(count) is not int or not 1 <= count <= most:
        raise DataError(
            f"{folder / 'config.json'}: expected {key} to be a positive integer up to {most}, got "
            f"{count!r}"
        )
    return count


def _entry(folder: Path, key: str) -> Any:
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8")).get(key)
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise DataError(f"{path}: expected a JSON object, got: {error}") from None
