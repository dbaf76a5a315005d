"""Runs a command of Flower's whose apps come from a warm server, and keeps the server alive."""

import atexit
import os
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import final

from warm_worker.app import CLIENT_APP, App, Leaving
from warm_worker.folders import SOCKET, clear_up, make_folder
from warm_worker.kept import Kept, KeptError
from warm_worker.modules import Preloaded
from warm_worker.server import PRELOADED, READY, Ending, WarmServer

PROGRAMS = (CLIENT_APP, "flwr-serverapp")
_SUPEREXEC = "flower-superexec"
# A server that ends by itself again and again is of no use.
_MOST_DEATHS, _WITHIN_S = 5, 60.0
_BACKLOG = 64


@final
class Supervisor:
    """One command and one warm server, for as long as the command goes on.

    Parameters
    ----------
    command : Sequence[str]
        A program that starts Flower's apps by their names, and its options.
    folder : Path
        A folder of nobody else's, mode 700: takes the socket and the launchers.
    kept : Kept
        What workers before this one have learnt, and takes what this one learns.
    """

    def __init__(self, command: Sequence[str], folder: Path, kept: Kept) -> None:
        self._folder = folder
        self._kept = kept
        Preloaded(modules=kept.read()).write(folder / PRELOADED)
        self._address = folder / SOCKET
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._address))
        self._listener.listen(_BACKLOG)
        self._lifeline, self._held = os.pipe()
        self._learns = True
        self._deaths: list[float] = []
        self._server = 0
        self._command = list(command)

    def run(self) -> App | int:
        """Return an app in a process that is to be one, and the command's exit status in this."""
        woken, waker = os.pipe()
        os.set_blocking(waker, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        child = subprocess.Popen(self._with_parent(), env=self._environment())  # noqa: S603
        self._pass_on_signals(child)
        app = self._start_server()
        while app is None and child.poll() is None:
            select.select([woken], [], [])
            os.read(woken, 4096)
            if self._server and not self._alive():
                app = self._start_server()
        if app is not None:
            return app
        os.close(self._held)
        if self._server:
            # Apps that go on see that the command has ended, and end as well.
            os.waitpid(self._server, 0)
        return child.returncode if child.returncode >= 0 else 128 - child.returncode

    def _start_server(self) -> App | None:
        """Fork a server; return an app in one of its forks, and nothing in this process."""
        (self._folder / READY).unlink(missing_ok=True)
        self._server = os.fork()
        if self._server:
            return None
        os.close(self._held)
        signal.set_wakeup_fd(-1)
        server = WarmServer(
            self._listener, self._lifeline, self._folder, self._kept, learns=self._learns
        )
        outcome = server.serve()
        if isinstance(outcome, App):
            return outcome
        os._exit(outcome)

    def _alive(self) -> bool:
        """Tell whether the server needs no successor."""
        pid, status = os.waitpid(self._server, os.WNOHANG)
        if not pid:
            return True
        code = os.waitstatus_to_exitcode(status)
        if code == Ending.ANOTHER_APP:
            return False
        # Whatever it was that did it, no server begins with it, now or after the next boot.
        self._kept.forget()
        if not (self._folder / READY).exists():
            Preloaded().write(self._folder / PRELOADED)
        if code == Ending.HAS_THREADS and self._learns:
            self._learns = False
            _say("a library starts threads when it is imported; apps import what they need anew")
            return False
        now = time.monotonic()
        self._deaths = [*(at for at in self._deaths if now - at < _WITHIN_S), now]
        if len(self._deaths) < _MOST_DEATHS and code != Ending.HAS_THREADS:
            _say(f"the warm server ended ({code}); it is started again")
            return False
        _say("the warm server does not hold; from now on apps start by themselves, in seconds")
        self._server = 0
        self._listener.close()
        self._address.unlink(missing_ok=True)
        return True

    def _environment(self) -> dict[str, str]:
        """Return an environment in which the apps' names are those of launchers."""
        own = str(Path(sys.executable).parent)
        places = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}{own}"
        launcher = Path(__file__).with_name("launcher.py")
        for name in PROGRAMS:
            program = shutil.which(name, path=places)
            if program is None:
                continue
            words = sys.executable, "-I", "-S", str(launcher), str(self._address), program
            script = self._folder / name
            script.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
            script.chmod(0o700)
        return {**os.environ, "PATH": f"{self._folder}{os.pathsep}{places}"}

    def _with_parent(self) -> list[str]:
        """Let a SuperExec end when this process is killed."""
        known = Path(self._command[0]).name == _SUPEREXEC
        if not known or "--parent-pid" in self._command:
            return self._command
        return [*self._command, "--parent-pid", str(os.getpid())]

    def _pass_on_signals(self, child: "subprocess.Popen[bytes]") -> None:
        def pass_on(number: int, _: FrameType | None) -> None:
            child.send_signal(number)

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, pass_on)


def supervise(command: Sequence[str], keep: Path | None = None) -> int:
    """Run a command with a warm server beside it; return its exit status.

    In a process that is to be an app this returns when the app has ended.

    Parameters
    ----------
    command : Sequence[str]
        A program that starts Flower's apps by their names, and its options.
    keep : Path | None
        Folder that keeps what was learnt; ``None`` keeps nothing.
    """
    leaving = Leaving()
    atexit.register(leaving)
    clear_up()
    folder = make_folder()
    mine = os.getpid()
    try:
        outcome = Supervisor(command, folder, _opened(keep)).run()
    finally:
        if os.getpid() == mine:
            shutil.rmtree(folder, ignore_errors=True)
    if isinstance(outcome, App):
        leaving.status = outcome.run()
        return leaving.status
    return outcome


def _opened(keep: Path | None) -> Kept:
    try:
        return Kept(keep)
    except KeptError as error:
        _say(f"nothing is kept for the next boot: {error}")
        return Kept(None)


def _say(text: str) -> None:
    print(f"warm worker: {text}", file=sys.stderr, flush=True)
