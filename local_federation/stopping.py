"""Being asked to stop: by Ctrl-C, by a service manager, or because a terminal was closed."""

import os
import re
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import final

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# As argparse takes them, cut short too.
_REPLACE = re.compile("--rep(?:l(?:a(?:ce?)?)?)?")
_RESUME = re.compile(r"^(?P<key>(?:--s(?:et?)?=)?\s*resume\s*=\s*).*$")
_RESUME_FROM = re.compile(r"^(?P<key>(?:--s(?:et?)?=)?\s*resume-from\s*=\s*).*$")


@final
class Stop(KeyboardInterrupt):
    """The signal that asked this process to end.

    Parameters
    ----------
    number : int
        The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_status = 128 + number


@final
class Heard:
    """What was heard while a block ran.

    Attributes
    ----------
    stop : Stop | None
        The first signal to end. Whatever it interrupted may raise something else on its way out.
    """

    def __init__(self) -> None:
        self.stop: Stop | None = None

    def take(self, number: int, _: FrameType | None) -> None:
        """Take note of a signal, and raise it; those after it are not heeded.

        Raises
        ------
        Stop
            If it is the first.
        """
        if self.stop is None:
            self.stop = Stop(number)
            raise self.stop


@contextmanager
def heeding_signals() -> Iterator[Heard]:
    """Run a block in which a signal to end raises :class:`Stop`, once; then none is heeded.

    What was started can be ended undisturbed so, however often Ctrl-C is pressed. A block within
    such a block hears what the outer one hears.
    """
    outer = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    if isinstance(outer, Heard):
        yield outer
        return
    heard = Heard()
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number in _SIGNALS:
        # Whoever starts a command with nohup wants it to outlive the terminal.
        if not (number == signal.SIGHUP and before[number] is signal.SIG_IGN):
            signal.signal(number, heard.take)
    try:
        yield heard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore_signals() -> None:
    """Heed no signal to end any more."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def say_last(*lines: str) -> None:
    """Print what a command that ends has to say, if anybody is left to read it."""
    try:
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()
    except OSError:
        # The terminal is closed; what Python still holds for it would fail once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def command_to_go_on(*, by_setting: bool) -> str:
    """Return what to type to go on with what this command was about.

    Parameters
    ----------
    by_setting : bool
        Whether it goes on if told to. Otherwise it does so by itself, or has touched nothing yet:
        what lies there then is of another command.
    """
    words = _as_typed()
    if not by_setting:
        return shlex.join(words)
    kept = [word for word in words if not _REPLACE.fullmatch(word)]
    # In place of what was said, since no setting may be said twice; and what was played since it
    # went back is not to be left behind as well.
    told = [_RESUME.sub(r"\g<key>true", word) for word in kept]
    told = [_RESUME_FROM.sub(r"\g<key>0", word) for word in told]
    said = any(map(_RESUME.fullmatch, kept))
    return shlex.join(told if said else [*told, "--set", "resume=true"])


def _as_typed() -> Sequence[str]:
    arguments = sys.argv[1:]
    typed = list(sys.orig_argv)
    if arguments and typed[-len(arguments) :] == arguments:
        return typed
    return ["python", "-m", "local_federation", *arguments]
