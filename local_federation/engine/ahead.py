"""An engine that is forked before a command begins, and waits for what it is to play.

Torch and Flower take seconds to import: so command and engine have them at once.
"""

import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from local_federation.engine.environment import own_environment
from local_federation.engine.parent import end_with_parent, write_into

if TYPE_CHECKING:
    from local_federation.engine.start import Asked

PlayRuns = Callable[[Mapping[str, Any]], int]


@final
class ForkedEngine:
    """A fork of this process, which must not have started any thread.

    It ends with this process, whether or not it was asked for anything.

    Parameters
    ----------
    play_runs : PlayRuns
        What it does with what it is asked for.
    """

    def __init__(self, play_runs: PlayRuns) -> None:
        context = get_context("fork")
        theirs, self._ours = context.Pipe(duplex=False)
        self._process = context.Process(
            target=_wait, args=(os.getpid(), theirs, self._ours, play_runs), daemon=True
        )
        self._process.start()
        theirs.close()
        self.log = Path(os.devnull)

    def start(self, asked: "Asked") -> "ForkedEngine":
        """Let it play, once.

        Raises
        ------
        OSError
            If it has been asked before, or has died.
        """
        self.log = asked.log
        values = {**asked.to_values(), "log": str(asked.log), "environment": asked.environment}
        self._ours.send(values)
        self._ours.close()
        return self

    def running(self) -> bool:
        """Tell whether it has not ended yet."""
        return self._process.is_alive()

    def exit_status(self) -> int | None:
        """Return how it ended, or ``None`` if it goes on."""
        return self._process.exitcode

    def stop(self) -> None:
        """End it and all its processes."""
        if self._process.pid is not None:
            # There is none before it has made it, and none once all in it have ended.
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.join()


def fork_engine(import_all: Callable[[], PlayRuns]) -> ForkedEngine:
    """Import what an engine and a command need, and fork the engine.

    Parameters
    ----------
    import_all : Callable[[], PlayRuns]
        Imports it, torch for the first time, and returns what the engine does.
    """
    before = dict(os.environ)
    os.environ.update(own_environment())
    play_runs = import_all()
    os.environ.clear()
    os.environ.update(before)
    engine = ForkedEngine(play_runs)
    if "OMP_NUM_THREADS" not in before:
        # Whatever imports torch is imported above, in that environment.
        import torch  # noqa: PLC0415

        from local_federation.engine.resources import cores  # noqa: PLC0415

        torch.set_num_threads(cores())
    return engine


def _wait(parent: int, asked: Connection, theirs: Connection, play_runs: PlayRuns) -> None:
    os.setsid()
    # What the process that was forked does when it is asked to end is not this one's to do.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    # Whoever forked this process ends it; Ctrl-C in a terminal reaches both.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent(parent)
    theirs.close()
    try:
        values = asked.recv()
    except EOFError:
        return
    os.environ.update(values["environment"])
    write_into(Path(values["log"]))
    sys.exit(play_runs(values))
