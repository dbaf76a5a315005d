"""What workers have learnt, kept for the next boot: names of libraries' modules, nothing else.

Code of app bundles is not among them: it comes with a message, and from nowhere else.
"""

import json
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import final

_FILE = "modules.json"
_LARGEST = 2**20
_MOST = 20_000


class KeptError(Exception):
    """A folder is no safe place for what a process will import."""


@final
class Kept:
    """A folder that keeps names, or nothing.

    Parameters
    ----------
    folder : Path | None
        Made if it is not there; ``None`` keeps nothing.

    Raises
    ------
    KeptError
        If it cannot be made, or somebody else may write there.
    """

    def __init__(self, folder: Path | None) -> None:
        self._file = None if folder is None else folder / _FILE
        if folder is None:
            return
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = folder.lstat()
        except OSError as error:
            raise KeptError(f"{folder} cannot be used: {error.strerror}") from None
        _check_owner(found, folder)
        if not stat.S_ISDIR(found.st_mode):
            raise KeptError(f"{folder} is no folder")

    def read(self) -> tuple[str, ...]:
        """Return what was kept; nothing if there is nothing, or if it is not to be trusted."""
        if self._file is None:
            return ()
        try:
            file = os.open(self._file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return ()
        with open(file, "rb") as opened:  # noqa: PTH123 - it is open already
            found = os.fstat(file)
            try:
                _check_owner(found, self._file)
                names = json.loads(opened.read(_LARGEST)) if stat.S_ISREG(found.st_mode) else ()
            except (OSError, ValueError, RecursionError, KeptError):
                return ()
        if not isinstance(names, list) or len(names) > _MOST:
            return ()
        return tuple(name for name in names if isinstance(name, str) and _is_module(name))

    def write(self, names: Iterable[str]) -> None:
        """Keep these names and no others; without a word if the disk does not take them."""
        if self._file is None:
            return
        part = self._file.with_suffix(f".{os.getpid()}")
        with suppress(OSError):
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
            with open(os.open(part, flags, 0o600), "w") as opened:  # noqa: PTH123 - a mode of its own
                json.dump(list(names), opened)
            part.replace(self._file)

    def forget(self) -> None:
        """Keep nothing of what there was: it may be why a server did not hold."""
        if self._file is not None:
            with suppress(OSError):
                self._file.unlink(missing_ok=True)


def _check_owner(found: os.stat_result, place: Path) -> None:
    if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise KeptError(f"{place} belongs to others, or others may write there")


def _is_module(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))
