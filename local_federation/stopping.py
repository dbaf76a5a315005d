"""Being asked to stop: by Ctrl-C, by a service manager, or because a terminal was closed."""

import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import final

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


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


@contextmanager
def heeding_signals() -> Iterator[None]:
    """Run a block in which a signal to end raises :class:`Stop`, once; then none is heeded.

    What was started can be ended undisturbed so, however often Ctrl-C is pressed.
    """
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number in _SIGNALS:
        # Whoever starts a command with nohup wants it to outlive the terminal.
        if not (number == signal.SIGHUP and before[number] is signal.SIG_IGN):
            signal.signal(number, _stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, _: FrameType | None) -> None:
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise Stop(number)


def command_to_go_on(*, by_setting: bool) -> str:
    """Return what to type to go on with what this command was about.

    Parameters
    ----------
    by_setting : bool
        Whether it goes on if told to; otherwise it does so by itself.
    """
    words = _as_typed()
    if not by_setting:
        return shlex.join(words)
    kept = [word for word in words if word != "--replace"]
    resumes = any(word.replace(" ", "").endswith("resume=true") for word in kept)
    return shlex.join([*kept, *([] if resumes else ["--set", "resume=true"])])


def _as_typed() -> Sequence[str]:
    arguments = sys.argv[1:]
    typed = list(sys.orig_argv)
    if arguments and typed[-len(arguments) :] == arguments:
        return typed
    return ["python", "-m", "local_federation", *arguments]
