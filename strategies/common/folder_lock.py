"""One process at a time in a folder: a lock that the system releases when its holder ends.

A file in the folder says who holds it; the lock on that file is the kernel's, so that nobody has
to clear up after a process that was killed.
"""

import errno
import json
import logging
import os
import socket
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Final, Self, final

from strategies.common.errors import NectarError

try:
    import fcntl as _fcntl
except ImportError:  # a system that knows no such locks
    fcntl: ModuleType | None = None
else:
    fcntl = _fcntl

NAME: Final = ".in-use"
# With a name of a host of 255 characters at most.
_LONGEST_SIGN: Final = 512
# Before nothing of this folder is theirs to write, others look again this often.
_POLL_S: Final = 0.05
# What a disk answers that cannot lock, such as one of a network without a lock service.
_NO_LOCKS: Final = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}
_LOG = logging.getLogger(__name__)
_warned: set[str] = set()


@final
class Hold:
    """A folder that this process holds until it lets go, or ends.

    Parameters
    ----------
    path : Path
        The file that says so.
    handle : int
        The same file, open and locked.
    stays : bool
        Whether the file is left there.
    """

    def __init__(self, path: Path, handle: int, *, stays: bool) -> None:
        self._path = path
        self._stays = stays
        self._owner = os.getpid()
        self._close = weakref.finalize(self, os.close, handle)

    def __enter__(self) -> Self:
        """Return what is held."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let go."""
        self.release()

    def release(self) -> None:
        """Let go; more than once is the same as once."""
        # A fork of the holder is not the holder.
        if self._close.alive and self._owner == os.getpid() and not self._stays:
            with suppress(OSError):
                self._path.unlink()
        self._close()


def hold(
    folder: Path,
    refuse: Callable[[str], NectarError],
    *,
    wait_s: float = 0.0,
    stays: bool = False,
) -> Hold:
    """Hold a folder that is there.

    Parameters
    ----------
    folder : Path
        The folder.
    refuse : Callable[[str], NectarError]
        Makes the error where another holds it, of who that is and since when.
    wait_s : float
        How long to wait for it to be let go.
    stays : bool
        Whether the file that says so is left behind, for a folder that is held again and again:
        to make and remove one takes the disk longer than to write into it.

    Raises
    ------
    NectarError
        If another holds it all the while.
    OSError
        If the folder cannot be written.
    """
    path, until = folder / NAME, time.monotonic() + wait_s
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            locked = _lock(handle, folder)
            holder = "" if locked else _holder(handle)
            # Who held it before took the file away: it is another's, or nobody's, by now.
            if locked and _is_at(path, handle):
                _sign(handle)
                return Hold(path, handle, stays=stays)
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
        if not locked:
            if time.monotonic() >= until:
                raise refuse(holder)
            time.sleep(_POLL_S)


def take(path: Path) -> int | None:
    """Open a file, made where it is missing, and lock it until it is closed.

    Returns
    -------
    int | None
        Its handle; ``None`` where another holds it.

    Raises
    ------
    OSError
        If it cannot be opened.
    """
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            locked = _lock(handle, path.parent)
            # Who held it before moved or removed it: what is locked stands there no more.
            if locked and _is_at(path, handle):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
        if not locked:
            return None


def _lock(handle: int, folder: Path) -> bool:
    if fcntl is None:
        _warn(folder, "this system has no locks")
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        _warn(folder, error.strerror or str(error))
    return True


def _warn(folder: Path, reason: str) -> None:
    """Say once per reason that nobody is kept out."""
    if reason not in _warned:
        _warned.add(reason)
        _LOG.warning(
            "%s: cannot be locked (%s); see to it that one process uses it", folder, reason
        )


def _is_at(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except OSError:
        return False


def _sign(handle: int) -> None:
    told = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now().astimezone().isoformat(" ", "seconds"),
    }
    # A full disk keeps nobody from locking.
    with suppress(OSError):
        # Always as long, so that a file that stays keeps its place on the disk.
        os.pwrite(handle, json.dumps(told).ljust(_LONGEST_SIGN).encode(), 0)


def _holder(handle: int) -> str:
    try:
        told = json.loads(os.pread(handle, _LONGEST_SIGN, 0))
        return f"process {told['pid']} on {told['host']} since {told['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
