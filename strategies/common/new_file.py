"""A file that a command writes when its work is done: asked before, and there whole or not at all.

Whatever stands at the place already is somebody's. It is replaced where the command is told to,
or where it is a picture that a command of ours drew, which says so itself.
"""

import itertools
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from strategies.common import folder_lock
from strategies.common.errors import StoreError

if TYPE_CHECKING:
    from PIL.PngImagePlugin import PngInfo

# An entry of text in a PNG, which Pillow writes before the pixels.
_KEY, _VALUE = "Software", "Nectar"
_MARK = f"tEXt{_KEY}\0{_VALUE}".encode()
_HEAD_BYTES = 512


def require_place(option: str, path: Path, *, replace: bool = False) -> None:
    """Refuse a place at which a file could not be written, or where another would be lost.

    Parameters
    ----------
    option : str
        What the user named it by, for messages.
    path : Path
        The file to write.
    replace : bool
        Whether a file that is there may be replaced.

    Raises
    ------
    StoreError
        If there is no such folder, it cannot be written into, or something is there.
    """
    folder = path.parent
    try:
        if path.is_dir():
            raise StoreError(f"{option}: expected a file to write, got the folder {path}")
        if not folder.is_dir():
            raise StoreError(
                f"{option}: expected an existing folder, got {folder}, so that {path.name} cannot "
                f"be written; make it, or name another"
            )
        if not replace and (path.is_symlink() or path.exists()):
            raise StoreError(
                f"{option}: expected a new file, got {path}, which exists already; name another"
            )
        with tempfile.TemporaryFile(dir=folder):
            pass
        if path.exists():
            with path.open("ab"):
                pass
    except OSError as error:
        raise StoreError(
            f"{option}: {path} cannot be written ({error.strerror or error}); name a file in a "
            f"folder that may be written"
        ) from None


def require_picture_place(option: str, path: Path) -> None:
    """Refuse a place for a picture as :func:`require_place`, but for one that was drawn here.

    Raises
    ------
    StoreError
        As there.
    """
    require_place(option, path, replace=_is_ours(path))


@contextmanager
def whole(path: Path, *, replace: bool = True) -> Iterator[Path]:
    """Yield a hidden file beside a place that takes it when all is written.

    Each who writes there has a file of their own. Whoever is killed meanwhile leaves theirs, and
    the next one to write there replaces it.

    Parameters
    ----------
    path : Path
        Where the file is to stand; what a link names, and what is no regular file, is written to.
    replace : bool
        Whether a file that stands there gives way. Where it may not, one process at a time
        writes there, so that the second learns of the first before its work.

    Raises
    ------
    StoreError
        If a file is there, or another process writes it, and may not be replaced.
    OSError
        If it cannot be written; what stood there before is untouched.
    """
    place = path.resolve()
    if place.exists() and not place.is_file():
        yield place
        return
    temporary, handle = _beside(place, alone=not replace)
    try:
        if not replace:
            _require_none(place)
        yield temporary
        if not replace:
            _require_none(place)
        temporary.replace(place)
    except BaseException:
        with suppress(OSError):  # half a file takes room that others need
            temporary.unlink()
        raise
    finally:
        os.close(handle)


@contextmanager
def whole_picture(path: Path) -> Iterator[Path]:
    """Yield a hidden file as :func:`whole` does; it takes the place of what was drawn here alone.

    Raises
    ------
    StoreError, OSError
        As there.
    """
    with whole(path, replace=_is_ours(path)) as file:
        yield file


def _beside(place: Path, *, alone: bool) -> tuple[Path, int]:
    """Return a hidden file that nobody else writes, and the handle that says so."""
    for count in itertools.count(1):
        temporary = place.with_name(f".{place.name}{f'-{count}' if count > 1 else ''}.tmp")
        handle = folder_lock.take(temporary)
        if handle is not None:
            os.ftruncate(handle, 0)  # what one that was killed left
            return temporary, handle
        if alone:
            break
    raise StoreError(
        f"{place}: another process is writing this file; wait for its end, or name another"
    )


def _require_none(place: Path) -> None:
    if os.path.lexists(place):
        raise StoreError(
            f"{place}: expected a new file, got one that another process wrote meanwhile and that "
            f"is left as it is; name another"
        )


def mark() -> "PngInfo":
    """Return what marks a PNG as drawn here, for Pillow's ``pnginfo``."""
    from PIL.PngImagePlugin import PngInfo  # noqa: PLC0415

    info = PngInfo()
    info.add_text(_KEY, _VALUE)
    return info


def _is_ours(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return _MARK in file.read(_HEAD_BYTES)
    except OSError:
        return False
