"""Names of classes that a device's own source lists, whether or not it can be read."""

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from client_app.data.sources import Source
from strategies.common.names import normalised


def names_of(source: Source) -> tuple[str, ...]:
    """Return all names that are found, in the order of labels where there is one.

    None of them may be told of a source that a device keeps to itself, even where it is refused:
    nothing is checked, and what cannot be read is passed over.
    """
    find = _FOUND.get(source.kind)
    return find(source.folder) if find else ()


def _of_folders(place: Path) -> tuple[str, ...]:
    # Below the classes, too: who names the folder above them is told that files lie too deep.
    levels = ({normalised(n) for n in names if n[:1] != "."} for _, names, _ in os.walk(place))
    folders = (name for names in levels for name in sorted(names))
    return tuple(dict.fromkeys((*_lines(place / "classes.txt"), *folders)))


def _of_table(place: Path) -> tuple[str, ...]:
    return _lines(place.with_suffix(".classes.txt"))


def _of_config(place: Path) -> tuple[str, ...]:
    with suppress(OSError, ValueError, AttributeError, RecursionError):
        names = json.loads((place / "config.json").read_text(encoding="utf-8")).get("class_names")
        return tuple(map(str, names)) if isinstance(names, list) else ()
    return ()


def _lines(place: Path) -> tuple[str, ...]:
    with suppress(OSError, ValueError):
        lines = place.read_text(encoding="utf-8-sig").splitlines()
        return tuple(line.strip() for line in lines if line.strip())
    return ()


_FOUND: Final[Mapping[str, Callable[[Path], tuple[str, ...]]]] = {
    "folder": _of_folders,
    "images": _of_folders,
    "own-csv": _of_table,
    "pfllib": _of_config,
}
