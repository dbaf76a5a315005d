"""A folder that a command writes: new, and there whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import Final

from strategies.common import folder_lock
from strategies.common.errors import StoreError
from strategies.common.home import expanded

# What lies in a folder aside: what is written, and what stood at its place before.
MADE: Final = "made"
REPLACED: Final = "replaced"


def free_place(out: Path) -> Path:
    """Return where to write, if nothing is in the way.

    Raises
    ------
    StoreError
        If a file or a folder with files is there, or the place cannot be looked at.
    """
    try:
        place = expanded(out, "--out ").absolute()
        if place.is_dir() and not any(place.iterdir()):
            return place
        is_there = os.path.lexists(place)
    except OSError as error:
        raise _unwritable(out, error) from None
    if not is_there:
        _require_writable(out, place)
    if is_there:
        found = "one with files in it" if place.is_dir() else "a file"
        raise StoreError(f"--out {out}: expected a new or empty folder, got {found}")
    return place


def _require_writable(out: Path, place: Path) -> None:
    """Refuse, before any work is done, a place in a folder that cannot be written into."""
    existing = next(folder for folder in place.parents if os.path.lexists(folder))
    try:
        with tempfile.TemporaryDirectory(prefix=f".{place.name}.", dir=existing):
            pass
    except OSError as error:
        raise _unwritable(out, error) from None


def free_or_ours(out: Path, *, ours: bool, replace: bool) -> Path:
    """Return where to write, if nothing is in the way but what may be replaced.

    Parameters
    ----------
    out : Path
        As the user named it.
    ours : bool
        Whether what is there is what the same command wrote, and nothing else.
    replace : bool
        Whether the user lets that be replaced.

    Raises
    ------
    StoreError
        If anything else is there, or the place cannot be looked at.
    """
    if not ours:
        return free_place(out)
    if not replace:
        raise StoreError(
            f"--out {out}: expected a new or empty folder, got one that this command wrote before; "
            f"give --replace to replace it, or name another"
        )
    place = expanded(out, "--out ").absolute()
    _require_writable(out, place)
    return place


@contextmanager
def whole(place: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield a folder that becomes ``place`` when all that is written into it is there.

    Parameters
    ----------
    place : Path
        As :func:`free_place` or :func:`free_or_ours` returned it.
    replace : bool
        Whether a folder with files in it that stands there gives way then.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    try:
        with aside(place) as temporary:
            made = temporary / MADE
            made.mkdir()
            yield made
            if replace and place.is_dir():
                place.replace(temporary / REPLACED)
            _put(made, place, temporary / REPLACED)
    except OSError as error:
        raise _unwritable(place, error) from None


@contextmanager
def aside(place: Path) -> Iterator[Path]:
    """Yield a hidden folder beside a place, for ``MADE`` and ``REPLACED``; it is then removed.

    What a command that was killed left of such a folder is removed as well, and what it had moved
    out of the way is put back.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    for left in place.parent.glob(f".{escape(place.name)}.*.tmp"):
        _clear(left, place)
    # In the same parent, so that a move stays on one disk.
    own = place.with_name(f".{place.name}.{os.getpid()}.tmp")
    own.mkdir(mode=0o700)
    try:
        with folder_lock.hold(own, StoreError):
            yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _clear(left: Path, place: Path) -> None:
    """Remove a folder that was signed here and that nobody holds any more."""
    with suppress(OSError, StoreError):
        inside = {path.name for path in left.iterdir()}
        if folder_lock.NAME not in inside or inside - {MADE, REPLACED, folder_lock.NAME}:
            return
        with folder_lock.hold(left, StoreError):
            if REPLACED in inside and not os.path.lexists(place):
                (left / REPLACED).replace(place)
            shutil.rmtree(left)


def _put(made: Path, place: Path, replaced: Path) -> None:
    """Move what was made to its place, or put back what stood there."""
    try:
        made.replace(place)
    except OSError:
        if replaced.exists():
            replaced.replace(place)
        raise


def _unwritable(place: Path, error: OSError) -> StoreError:
    return StoreError(
        f"--out {place}: cannot be written ({error.strerror or error}); name a folder that can be"
    )
