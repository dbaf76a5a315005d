"""Whoever reads what a command prints may go away, as ``| head`` does: that is no error."""

import os
import sys
from typing import final

from rich.console import Console


@final
class Printer(Console):
    """Prints tables for people, with names as they are, and tells its caller if nobody reads.

    The library's own class ends the process instead, with an exit status of failure.

    Parameters
    ----------
    soft_wrap : bool
        Whether lines are left as long as they are.

    Raises
    ------
    BrokenPipeError
        From ``print``, where the reader has gone.
    """

    def __init__(self, *, soft_wrap: bool = False) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, soft_wrap=soft_wrap)

    def on_broken_pipe(self) -> None:
        """Leave it to the caller, within whose handling of the error this is called."""
        raise  # noqa: PLE0704


def say(text: str) -> None:
    """Print text at once.

    Raises
    ------
    BrokenPipeError
        If the reader has gone.
    """
    sys.stdout.write(text)
    sys.stdout.flush()


def forget() -> None:
    """Print to nobody from here on, so that the interpreter's end does not fail either."""
    nobody = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nobody, sys.stdout.fileno())
    os.close(nobody)
