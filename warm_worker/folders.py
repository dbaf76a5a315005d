"""The folder of a worker: held for as long as anybody works with it, and cleared up after that."""

import fcntl
import os
import shutil
import socket
import tempfile
from contextlib import suppress
from pathlib import Path

_PREFIX = "warm-worker-"
SOCKET = "socket"


def make_folder() -> Path:
    """Make a folder of nobody else's, held by this process and its forks until all have ended."""
    place = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}"))
    # Never closed: the system lets go of it. A program that is started instead of a fork has none.
    held = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    # Nobody meets it under its name before it is held.
    return place.rename(place.with_name(place.name.removeprefix(".")))


def clear_up() -> None:
    """Remove the folders of workers of this user that were killed, and of no other."""
    for place in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # It may be somebody else's, held, or gone by now.
        with suppress(OSError):
            _clear(place)


def _clear(place: Path) -> None:
    folder = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(folder).st_uid != os.geteuid():
            return
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Workers of earlier versions hold nothing, but listen.
        if not _answers(place / SOCKET):
            shutil.rmtree(place, ignore_errors=True)
    finally:
        os.close(folder)


def _answers(address: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as caller:
        try:
            caller.connect(str(address))
        except OSError:
            return False
    return True
