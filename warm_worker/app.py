"""One app: what a forked process has to do to be the one that Flower asked for."""

import atexit
import importlib
import json
import os
import runpy
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from warm_worker.modules import Preloaded, forget, imported_since
from warm_worker.unanswered import answer_what_is_left

# The program that works on a node's messages.
CLIENT_APP = "flwr-clientapp"

_LONGEST_ORDER = 2**24
_STANDARD_FILES = 3


class OrderError(Exception):
    """Whoever connected asked for nothing that can be started."""


@final
@dataclass(frozen=True)
class Order:
    """What a launcher hands over.

    Attributes
    ----------
    command : tuple[str, ...]
        Path of the program and its options.
    folder : str
        Working folder.
    environment : dict[str, str]
        All environment variables.
    files : tuple[int, ...]
        Standard input, output and error.
    """

    command: tuple[str, ...]
    folder: str
    environment: dict[str, str]
    files: tuple[int, ...]

    @classmethod
    def receive(cls, launcher: socket.socket) -> "Order":
        """Read one from a launcher's connection.

        Raises
        ------
        OrderError
            If the connection ends early or holds no order.
        """
        head, files, _, _ = socket.recv_fds(launcher, 4, _STANDARD_FILES)
        try:
            length = int.from_bytes(head, "big")
            if len(head) < 4 or len(files) != _STANDARD_FILES or length > _LONGEST_ORDER:
                raise OrderError("expected a length and three files")
            text = b""
            while len(text) < length:
                part = launcher.recv(length - len(text))
                if not part:
                    raise OrderError(f"expected {length} bytes, got {len(text)}")
                text += part
            command, folder, environment = json.loads(text)
        except (OrderError, ValueError):
            for file in files:
                os.close(file)
            raise
        return cls(tuple(command), folder, environment, tuple(files))


@final
@dataclass(frozen=True)
class App:
    """A forked process that is about to become an app.

    Attributes
    ----------
    order : Order
        What it was asked for.
    preloaded : Preloaded
        What it has in memory.
    learnt : Path
        File that takes the names of what it imports besides.
    """

    order: Order
    preloaded: Preloaded
    learnt: Path

    def run(self) -> int:
        """Become the app; return the exit status with which it ends."""
        self._take_over()
        before = frozenset(sys.modules)
        found = [""]
        _watch_app_folder(self.preloaded, found)
        if Path(self.order.command[0]).name == CLIENT_APP:
            answer_what_is_left()
        atexit.register(_write_learnt, self.learnt, before, found)
        try:
            runpy.run_path(self.order.command[0], run_name="__main__")
        except SystemExit as ending:
            if isinstance(ending.code, str):
                print(ending.code, file=sys.stderr)
                return 1
            return ending.code or 0
        return 0

    def _take_over(self) -> None:
        for place, file in enumerate(self.order.files):
            os.dup2(file, place)
            os.close(file)
        os.chdir(self.order.folder)
        os.environ.clear()
        os.environ.update(self.order.environment)
        sys.argv = list(self.order.command)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _reseed()
        _take_name(Path(self.order.command[0]).name)


@final
class Leaving:
    """Ends an app's process once all else is done that is done at an exit.

    It is registered before all else, and so comes last. What an interpreter does after it,
    taking hundreds of modules apart, would copy the memory that is shared with the server.

    Attributes
    ----------
    status : int | None
        Exit status of the app; ``None`` in a process that is none.
    """

    status: int | None = None

    def __call__(self) -> None:
        """End this process now if it is an app's."""
        if self.status is not None:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(self.status & 0xFF)


def _reseed() -> None:
    """Draw differently from other forks, as processes that were started apart do."""
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()


def _take_name(name: str) -> None:
    # For whoever looks at the processes of a device; only Linux knows it.
    with suppress(OSError):
        Path("/proc/self/comm").write_text(name)


def _watch_app_folder(preloaded: Preloaded, found: list[str]) -> None:
    """Let Flower take no module of another app bundle, and note which bundle it takes.

    Flower puts a bundle's folder on the path before it imports the app, and this is where.
    """
    flower: Any = importlib.import_module("flwr.supercore.object_ref")
    put_on_path: Callable[[str | Path], None] = flower._ensure_sys_path

    def ensure(folder: str | Path) -> None:
        app = str(Path(folder).absolute())
        if preloaded.app not in ("", app):
            forget(preloaded.app)
        found[:] = [app]
        put_on_path(folder)

    flower._ensure_sys_path = ensure


def _write_learnt(place: Path, before: frozenset[str], found: list[str]) -> None:
    (app,) = found
    learnt = Preloaded(app, tuple(imported_since(before, app)))
    # The warm server may be gone, and its folder with it.
    with suppress(OSError):
        learnt.write(place.with_suffix(".part"))
        place.with_suffix(".part").replace(place)
