"""Child processes that are started, watched and stopped by this program alone."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import final

# Flower's own tools shut down within a second or two of a polite request; to be killed does them
# no harm.
GRACE_S = 2.5
_CONNECT_S = 0.5


@final
class Child:
    """One child process with its own process group and log file.

    Parameters
    ----------
    name : str
        What it is, for messages.
    command : Sequence[str]
        Program of this Python environment, with its arguments.
    log : Path
        File that takes its output.
    env : Mapping[str, str]
        Its whole environment.
    """

    def __init__(
        self, name: str, command: Sequence[str], log: Path, env: Mapping[str, str]
    ) -> None:
        self.name = name
        self.log = log
        program = Path(sys.executable).parent / command[0]
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own command line
                [str(program), *command[1:]],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process id, which is its process group's id as well."""
        return self._process.pid

    def running(self) -> bool:
        """Tell whether it has not ended yet."""
        return self._process.poll() is None

    def exit_status(self) -> int | None:
        """Return how it ended, or ``None`` if it goes on."""
        return self._process.poll()

    def wait(self, timeout_s: float) -> int | None:
        """Wait for its end and return its exit status, or ``None`` if it goes on."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """Kill it and all it started, at once (SIGKILL)."""
        self._signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """Ask it to end, and kill what is left of its group."""
        stop_all([self])

    def ask_to_end(self) -> None:
        """Ask it to end, and do not wait for it."""
        if self.running():
            self._signal(signal.SIGTERM)

    def tail(self, lines: int = 20) -> str:
        """Return the last lines of its log."""
        return tail_of(self.log, lines)

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return


def stop_all(children: Iterable[Child]) -> None:
    """Ask all to end at once, and kill after a while what is left of their groups."""
    asked = list(children)
    for child in asked:
        child.ask_to_end()
    until = time.monotonic() + GRACE_S
    for child in asked:
        child.wait(max(0.0, until - time.monotonic()))
    for child in asked:
        child.kill()


def tail_of(log: Path, lines: int) -> str:
    """Return the last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def free_port() -> int:
    """Return a TCP port of the loopback interface that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def reachable(port: int, host: str = "127.0.0.1") -> bool:
    """Tell whether something listens on a port, of the loopback interface if no host is named."""
    try:
        socket.create_connection((host, port), timeout=_CONNECT_S).close()
    except OSError:
        # Nobody listens, or the host has no address yet.
        return False
    return True
