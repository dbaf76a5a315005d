"""What commands on a device have in common: their lines and their exit status."""

import sys
from collections.abc import Callable, Iterable

from client_app import reader
from client_app.data.left_out import shown
from strategies.common.errors import NectarError


def exit_status(work: Callable[[], Iterable[str]]) -> int:
    """Do what a command is for, print what it tells, and return the exit status.

    Parameters
    ----------
    work : Callable[[], Iterable[str]]
        Returns the lines to print, of whatever they are made.

    Returns
    -------
    int
        0, also where nobody reads to the end; or 1 after an error of our own, which is told in one
        line and without a traceback.
    """
    try:
        told = list(work())
        reader.say("".join(f"{shown(line)}\n" for line in told))
    except NectarError as error:
        sys.stderr.write(f"{type(error).__name__}: {shown(str(error))}\n")
        return 1
    except BrokenPipeError:
        reader.forget()
    return 0
