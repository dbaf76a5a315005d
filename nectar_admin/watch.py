"""Runs a SuperNode and ends it once it has gone deaf.

Flower's SuperNode signs off after an answer that it does not retry, such as a certificate that has
ended, and then stays alive for ever: its health door answers, no supervisor sees a thing. What
tells it from a live one is that it has no connection to its server.

This process stays beside the SuperNode on a small board, so it imports next to nothing.
"""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import Final, final

from nectar_admin.connections import is_connected
from nectar_admin.errors import AdminError

_PASSED_ON: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_LOOK_S: Final = 5.0
_LOOKS_IN_PATIENCE: Final = 4
# A SuperNode that is asked to end signs off first.
_GRACE_S: Final = 30.0
_OPTION: Final = "--superlink"
_LARGEST_PORT: Final = 65535


@final
class Watch:
    """One command, for as long as it goes on.

    Parameters
    ----------
    command : Sequence[str]
        The SuperNode and its options.
    port : int
        Port of its server, at the other end of its connection.
    patience_s : float
        How long it may be without a connection, from its start on.
    grace_s : float
        How long it may take to end before it is killed.
    """

    def __init__(
        self, command: Sequence[str], port: int, patience_s: float, grace_s: float = _GRACE_S
    ) -> None:
        self._command = list(command)
        self._port = port
        self._patience_s = patience_s
        self._grace_s = grace_s
        self._child: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []
        self._told = False
        self._woken, self._waker = os.pipe()

    def run(self) -> int:
        """Run the command to its end and return its exit status.

        A status of 0 is returned as 1 where the command was ended for being deaf.

        Raises
        ------
        AdminError
            If it cannot be started.
        """
        os.set_blocking(self._waker, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        for number in _PASSED_ON:
            # What nohup or a shell ignores is ignored by the command as well.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._pass_on)
        child = self._start()
        is_deaf = self._look_after(child)
        if is_deaf:
            _say(
                f"no connection to port {self._port} for {self._patience_s:g} s: ending "
                f"{self._command[0]}, for its supervisor to start it again"
            )
            self._end(child)
        status = child.returncode if child.returncode >= 0 else 128 - child.returncode
        return status or int(is_deaf)

    def _start(self) -> "subprocess.Popen[bytes]":
        try:
            # In a group of its own: what a terminal sends to all of a group reaches it once.
            child = subprocess.Popen(self._command, process_group=0)  # noqa: S603
        except OSError as error:
            raise AdminError(
                f"{self._command[0]}: cannot be started ({error.strerror}); is its environment "
                f"active?"
            ) from None
        self._child = child
        for number in self._early:
            child.send_signal(number)
        return child

    def _pass_on(self, number: int, _: FrameType | None) -> None:
        if self._child is None:
            self._early.append(number)
        else:
            self._child.send_signal(number)

    def _look_after(self, child: "subprocess.Popen[bytes]") -> bool:
        """Return once the child has ended, or is deaf; tell whether it is."""
        pause_s = min(_LOOK_S, self._patience_s / _LOOKS_IN_PATIENCE)
        silent_s, looked = 0.0, time.monotonic()
        while silent_s < self._patience_s:
            if self._ended(child, pause_s):
                return False
            now = time.monotonic()
            # Time in which this process itself stood still says nothing.
            silent_s += min(now - looked, 2 * pause_s)
            looked = now
            if self._is_connected(child):
                silent_s = 0.0
        return True

    def _is_connected(self, child: "subprocess.Popen[bytes]") -> bool:
        """Tell whether the child is connected; yes, and say so, where that is not to be seen."""
        try:
            return is_connected(child.pid, self._port)
        except OSError as error:
            if child.poll() is None and not self._told:
                self._told = True
                _say(
                    f"cannot look at connections here ({error.strerror}: {error.filename}); "
                    f"{self._command[0]} runs without being watched"
                )
            return True

    def _end(self, child: "subprocess.Popen[bytes]") -> None:
        child.terminate()
        deadline = time.monotonic() + self._grace_s
        while not self._ended(child, deadline - time.monotonic()):
            if time.monotonic() >= deadline:
                child.kill()
                child.wait()

    def _ended(self, child: "subprocess.Popen[bytes]", within_s: float) -> bool:
        """Wait for a signal, such as that of a child's end; tell whether the child has ended."""
        if child.poll() is None and select.select([self._woken], [], [], max(0.0, within_s))[0]:
            os.read(self._woken, 4096)
        return child.poll() is not None


def watch(command: Sequence[str], port: int | None, patience_s: float) -> int:
    """Run a SuperNode, end it once it is deaf, and return its exit status.

    Parameters
    ----------
    command : Sequence[str]
        The SuperNode and its options.
    port : int | None
        Port of its server; ``None`` for that of its option ``--superlink``.
    patience_s : float
        How long it may be without a connection.

    Raises
    ------
    AdminError
        If it cannot be started, or there is no port, or none that could be.
    """
    if not command:
        raise AdminError("expected the command to run behind --, e.g. -- flower-supernode ...")
    if not patience_s > 0:
        raise AdminError(f"--patience {patience_s:g}: expected seconds, more than 0")
    if port is None:
        port = _port_in(command)
    elif not 0 < port <= _LARGEST_PORT:
        raise AdminError(
            f"--port {port}: expected the port of the server, from 1 to {_LARGEST_PORT}; no "
            f"connection to another is ever seen, and a healthy SuperNode would be ended"
        )
    return Watch(command, port, patience_s).run()


def _port_in(command: Sequence[str]) -> int:
    """Return the port in a SuperNode's options."""
    addresses = [word.partition("=")[2] for word in command if word.startswith(f"{_OPTION}=")]
    with suppress(ValueError, IndexError):
        addresses.append(command[command.index(_OPTION) + 1])
    if not addresses:
        raise AdminError(
            f"--port: expected the port of the server, got none, and the command has no "
            f"{_OPTION} HOST:PORT to take it from"
        )
    port = addresses[-1].rpartition(":")[2]
    if not port.isascii() or not port.isdigit() or not 0 < int(port) <= _LARGEST_PORT:
        raise AdminError(
            f"{_OPTION} {addresses[-1]}: expected HOST:PORT, to take the port from; or name it "
            f"by --port"
        )
    return int(port)


def _say(text: str) -> None:
    sys.stderr.write(f"watch: {text}\n")
    sys.stderr.flush()
