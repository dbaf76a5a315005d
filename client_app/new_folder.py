"""A folder that a command writes: new, and there whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from strategies.common.errors import StoreError


def free_place(out: Path) -> Path:
    """Return where to write, if nothing is in the way.

    Raises
    ------
    StoreError
        If a file or a folder with files is there, or the place cannot be looked at.
    """
    try:
        place = out.expanduser().absolute()
        if place.is_dir() and not any(place.iterdir()):
            return place
        is_there = os.path.lexists(place)
    except OSError as error:
        raise _unwritable(out, error) from None
    except RuntimeError:
        raise StoreError(
            f"--out {out}: expected a home folder of that name, found none; name it in full"
        ) from None
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


@contextmanager
def whole(place: Path) -> Iterator[Path]:
    """Yield a folder that becomes ``place`` when all that is written into it is there.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    temporary = place.with_name(f".{place.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        temporary.replace(place)
    except OSError as error:
        raise _unwritable(place, error) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _unwritable(place: Path, error: OSError) -> StoreError:
    return StoreError(
        f"--out {place}: cannot be written ({error.strerror or error}); name a folder that can be"
    )
