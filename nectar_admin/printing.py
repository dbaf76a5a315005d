"""Printing for whoever reads: what a command does, it does though its reader goes away.

And what others made up, such as the names in a server's certificate, paints on no terminal.
"""

import os
import sys


def say(line: str) -> None:
    """Print a line at once, or to nobody where the reader has gone, as ``| head`` does."""
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        forget()


def plain(text: str) -> str:
    r"""Return a text whose letters that cannot be printed are written out; lines stay.

    Examples
    --------
    >>> plain("one\ntwo\x1b[31m")
    'one\ntwo\\x1b[31m'
    """
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def forget() -> None:
    """Print to nobody from here on, so that the interpreter's end does not fail either."""
    nobody = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nobody, sys.stdout.fileno())
    os.close(nobody)
