"""The warm server: it has imported what apps need, and forks for each that is asked for.

It does nothing else: it has one thread, no connection to Flower, no model and no GPU, so that
a fork of it is as good as a process of its own.
"""

import os
import select
import signal
import socket
from enum import IntEnum
from pathlib import Path
from typing import final

from warm_worker.app import App, Order, OrderError
from warm_worker.kept import Kept
from warm_worker.modules import Preloaded, fit_to_fork, libraries, preload

_ORDER_S = 5.0
PRELOADED = "preloaded.json"
# Is there once a server has imported all that it began with.
READY = "ready"


class Ending(IntEnum):
    """Why a server ends, as its exit status."""

    NOTHING_LEFT = 0
    # Runs are of another app bundle now: the next server takes its modules.
    ANOTHER_APP = 75
    # A library starts threads when it is imported: the next server learns nothing.
    HAS_THREADS = 76


@final
class WarmServer:
    """Forks apps until nobody can ask for any.

    Parameters
    ----------
    listener : socket.socket
        Where launchers connect.
    lifeline : int
        File that ends when whoever started this server has ended.
    folder : Path
        Takes what apps write about what they have imported.
    kept : Kept
        Takes what the next boot may begin with.
    learns : bool
        Whether to import what apps have imported.
    """

    def __init__(
        self, listener: socket.socket, lifeline: int, folder: Path, kept: Kept, *, learns: bool
    ) -> None:
        self._listener = listener
        self._lifeline = lifeline
        self._folder = folder
        self._kept = kept
        self._learns = learns
        self._preloaded = Preloaded.read(folder / PRELOADED) if learns else Preloaded()
        # By import; a change of the app bundle may mend it.
        self._missing: frozenset[str] = frozenset()
        self._launchers: dict[int, socket.socket] = {}
        self._other_app = ""

    def serve(self) -> App | Ending:
        """Return an app in the process that is to be it, and an ending in the server."""
        woken, waker = os.pipe()
        os.set_blocking(waker, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # Whoever started it decides when it ends, by the lifeline.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self._missing = preload(self._preloaded)
        if not fit_to_fork():
            return Ending.HAS_THREADS
        (self._folder / READY).touch()
        if self._learns:
            self._kept.write(libraries(self._preloaded))
        alive = True
        while alive or self._launchers:
            told = self._wait(woken, alive=alive)
            if woken in told:
                os.read(woken, 4096)
            for pid in [pid for pid, place in self._launchers.items() if place.fileno() in told]:
                # It was killed, and what it stands for with it.
                os.kill(pid, signal.SIGKILL)
                self._launchers.pop(pid).close()
            alive = alive and self._lifeline not in told
            ending = self._reap()
            if ending is not None:
                return ending
            if alive and self._listener.fileno() in told:
                app = self._start()
                if app is not None:
                    signal.set_wakeup_fd(-1)
                    self._let_go(woken, waker)
                    return app
        return Ending.NOTHING_LEFT

    def _wait(self, woken: int, *, alive: bool) -> set[int]:
        files = [woken, *(place.fileno() for place in self._launchers.values())]
        if alive:
            files += [self._listener.fileno(), self._lifeline]
        poll = select.poll()
        for file in files:
            poll.register(file, select.POLLIN)
        return {file for file, _ in poll.poll()}

    def _start(self) -> App | None:
        launcher, _ = self._listener.accept()
        launcher.settimeout(_ORDER_S)
        try:
            order = Order.receive(launcher)
        except (OSError, OrderError, ValueError):
            launcher.close()
            return None
        pid = os.fork()
        if not pid:
            launcher.close()
            return App(order, self._preloaded, self._folder / f"learnt-{os.getpid()}.json")
        for file in order.files:
            os.close(file)
        self._launchers[pid] = launcher
        self._tell(pid, pid)
        return None

    def _tell(self, pid: int, number: int) -> None:
        try:
            self._launchers[pid].sendall(number.to_bytes(4, "big", signed=True))
        except OSError:
            # Its end is seen when the connection is next looked at.
            return

    def _reap(self) -> Ending | None:
        """Tell launchers what has ended, and learn from it; return why to end, if so."""
        ending = None
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return ending
            if not pid:
                return ending
            if pid in self._launchers:
                self._tell(pid, os.waitstatus_to_exitcode(status))
                self._launchers.pop(pid).close()
            ending = self._learn(self._folder / f"learnt-{pid}.json") or ending

    def _learn(self, place: Path) -> Ending | None:
        if not place.exists():
            return None
        learnt = Preloaded.read(place)
        place.unlink()
        if not self._learns:
            return None
        if learnt.app and self._preloaded.app not in ("", learnt.app):
            return self._learn_of_another(learnt)
        self._other_app = ""
        return self._import(self._preloaded.with_more(learnt))

    def _learn_of_another(self, learnt: Preloaded) -> Ending | None:
        # Runs of two bundles may take turns, and are not to be swapped at every message.
        again, self._other_app = learnt.app == self._other_app, learnt.app
        if not again:
            return None
        known = tuple(name for name in self._preloaded.modules if name not in self._missing)
        Preloaded(modules=known).with_more(learnt).write(self._folder / PRELOADED)
        return Ending.ANOTHER_APP

    def _import(self, preloaded: Preloaded) -> Ending | None:
        known, self._preloaded = self._preloaded, preloaded
        if preloaded == known:
            return None
        missing = self._missing if preloaded.app == known.app else frozenset()
        self._missing = preload(preloaded, missing)
        preloaded.write(self._folder / PRELOADED)
        if not fit_to_fork():
            return Ending.HAS_THREADS
        self._kept.write(libraries(preloaded))
        return None

    def _let_go(self, *files: int) -> None:
        """Close what a fork has of the server's."""
        for file in files:
            os.close(file)
        os.close(self._lifeline)
        self._listener.close()
        for launcher in self._launchers.values():
            launcher.close()
