"""Printing for whoever reads: what a command does, it does though its reader goes away."""

import os
import sys


def say(line: str) -> None:
    """Print a line at once, or to nobody where the reader has gone, as ``| head`` does."""
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        forget()


def forget() -> None:
    """Print to nobody from here on, so that the interpreter's end does not fail either."""
    nobody = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nobody, sys.stdout.fileno())
    os.close(nobody)
