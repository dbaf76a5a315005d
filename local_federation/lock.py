"""One process at a time in a folder: a lock that the system releases when its holder ends."""

import fcntl
from typing import TextIO

from strategies.common.errors import RunFolderError


def lock(mark: TextIO, refusal: str) -> None:
    """Lock an open file until it is closed.

    Raises
    ------
    RunFolderError
        With the refusal, if another process holds it.
    """
    try:
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise RunFolderError(refusal) from None
