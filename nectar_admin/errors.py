"""The error of these commands.

::

    AdminError            what was asked for cannot be done
    ├── UnreachableError  nobody answers at the SuperLink's address
    └── RefusedError      the SuperLink answers that it will not

A message says where, what was expected, what was found and what to do.
"""

from pathlib import Path


class AdminError(Exception):
    """What was asked for cannot be done."""


class UnreachableError(AdminError):
    """Nobody answers at the SuperLink's address; it may be on its way."""


class RefusedError(AdminError):
    """The SuperLink answers that it will not.

    Parameters
    ----------
    text : str
        What it says, and of what.
    code : int
        Flower's number for the reason.
    """

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


def unusable(path: Path, error: OSError) -> AdminError:
    """Return the error of a file or folder that cannot be read or written."""
    return AdminError(f"{path}: cannot be used ({error.strerror or error})")
