"""Files and folders for their owner alone, there whole or not at all."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FILE_MODE = 0o600
FOLDER_MODE = 0o700


def make_folder(path: Path) -> None:
    """Make a folder and those above it that are missing; what is there keeps its mode.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    if not path.is_dir():
        # Those above would have the mode that is usual here.
        make_folder(path.parent)
        path.mkdir(mode=FOLDER_MODE, exist_ok=True)


def write(path: Path, content: bytes) -> None:
    """Write a file, or replace it: at no time can others read it, or anybody half of it.

    Raises
    ------
    OSError
        If it cannot be written; what stood there before is untouched.
    """
    make_folder(path.parent)
    part = path.with_name(f".{path.name}.part")
    # Of somebody who was killed.
    part.unlink(missing_ok=True)
    try:
        with os.fdopen(
            os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE), "wb"
        ) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep others that do so out of a folder; wait until they are out.

    Raises
    ------
    OSError
        If it cannot be made or held.
    """
    make_folder(folder)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
