"""The guide ``docs/deployment.md``, followed to the letter on machines that have nothing.

``python -m benchmarks.follow_guide`` boots five containers with systemd, for a laptop, a server and
three boards, runs on each what the guide prints for it, and looks whether it is as the guide says:
services without a fault, every client in every round, photographs labelled, a certificate renewed,
an upgrade and the way back, a board less. ``benchmarks/guide/plan.py`` names the machine of each
block, and what is left out and why. Needs podman, five gigabytes of memory, forty of disk unless
``--torch-index`` names wheels for CPUs, half an hour or more, and a machine with nothing else
to do: `doctor` finds fault with boards that take long to start. Options of the engine that a
network asks for are in ``BUILD_OPTIONS`` and ``RUN_OPTIONS``. Nothing is left but an image.
"""

import argparse
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final, final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.guide import photographs
from benchmarks.guide.network import MachineError, Network
from benchmarks.guide.plan import BOARDS, MACHINES, PLAN
from benchmarks.guide.steps import (
    AtOnce,
    Check,
    Follow,
    Given,
    LeaveOut,
    Plan,
    Put,
    Step,
    faults,
    text_of,
)
from benchmarks.guide.told import Told, told

ROOT: Final = Path(__file__).parents[1]
GUIDE: Final = ROOT / "docs" / "deployment.md"
_LOGS: Final = ROOT / "runs" / "follow_guide"
_BASE: Final = "docker.io/library/debian:bookworm-slim"
_WIDTH: Final = 200
# As the guide says of the option.
_INSTALLS: Final = re.compile(r"sudo systemd/install\.sh (device|server|upgrade)\b")


@final
class _Walk:
    """Steps as they are done, and how long each took."""

    def __init__(
        self, network: Network, guide: list[Told], console: Console, torch_index: str | None
    ) -> None:
        self._network = network
        self._guide = guide
        self._console = console
        self._torch = rf"\g<0> --torch-index {torch_index}" if torch_index else r"\g<0>"
        self.table = Table("s", "machine", "from", "what", "came of it", title=GUIDE.name)

    def walk(self, steps: Plan) -> None:
        """Do steps, and note each."""
        for step in steps:
            if isinstance(step, AtOnce):
                self._walk_at_once(step)
            else:
                self._do(step)

    def _walk_at_once(self, steps: AtOnce) -> None:
        pool = ThreadPoolExecutor(len(steps.lines))
        waits = True
        try:
            for line in [pool.submit(self.walk, line) for line in steps.lines]:
                line.result()
        except KeyboardInterrupt:
            # They end with their machines.
            waits = False
            raise
        finally:
            pool.shutdown(wait=waits, cancel_futures=True)

    def _do(self, step: Step) -> None:
        if isinstance(step, LeaveOut):
            self._note("", "", step.where, "left out", step.why)
            return
        where, what = self._words(step)
        self._console.print(
            f"{step.machine}: {what}", markup=False, highlight=False, soft_wrap=True
        )
        started = time.monotonic()
        came = self._done(step)
        seconds = f"{time.monotonic() - started:.0f}"
        self._note(seconds, step.machine, where, what, came)

    def _note(self, *cells: str) -> None:
        self.table.add_row(*map(Text, cells))

    def _words(self, step: Follow | Put | Given | Check) -> tuple[str, str]:
        match step:
            case Check():
                return "", f"look: {step.what}"
            case Given():
                return "", f"given: {step.why}"
            case Put():
                return step.where, f"write {step.file}"
            case Follow():
                lines = text_of(step, self._guide).splitlines()
                more = f" … and {len(lines) - 1} more" if len(lines) > 1 else ""
                return step.where, f"{lines[0]}{more}"

    def _done(self, step: Follow | Put | Given | Check) -> str:
        network = self._network
        match step:
            case Check():
                return step.look(network)
            case Given():
                network.follow(step.machine, step.text)
            case Put():
                network.put(step.machine, step.file, f"{text_of(step, self._guide)}\n")
            case Follow():
                text = _INSTALLS.sub(self._torch, text_of(step, self._guide))
                network.follow(step.machine, text, step.folder)
        return ""


def main() -> int:
    """Follow the guide, and return the exit status."""
    arguments = _parser().parse_args()
    console = Console()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    guide = list(told(GUIDE.read_text()))
    if found := list(faults(guide, PLAN)):
        console.print("\n".join(found), markup=False, soft_wrap=True)
        return 1
    started = time.monotonic()
    try:
        network = Network(arguments.logs)
        network.down()
        network.build(arguments.base)
        with _machines(network, arguments.pip_cache, keep=arguments.keep):
            _walk(_Walk(network, guide, console, arguments.torch_index), console)
    except MachineError as error:
        failed = f"failed: {error}"
        console.print(failed, style="bold red", markup=False, highlight=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("stopped, and nothing left")
        return 130
    minutes = (time.monotonic() - started) / 60
    console.print(f"followed to its end in {minutes:.0f} minutes, and nothing left")
    return 0


def _walk(walk: _Walk, console: Console) -> None:
    try:
        walk.walk(PLAN)
    finally:
        wide = console if console.is_terminal else Console(width=_WIDTH)
        wide.print(walk.table)


@contextmanager
def _machines(network: Network, pip_cache: Path | None, *, keep: bool) -> Iterator[None]:
    """Boot all machines, and remove them in the end."""
    left_up = False
    place = Path(tempfile.mkdtemp())
    mounts = {_published(place): "/srv/nectar.git"}
    if pip_cache is not None:
        pip_cache.mkdir(parents=True, exist_ok=True)
        mounts[pip_cache.absolute()] = "/root/.cache/pip"
    try:
        network.start(MACHINES, mounts)
        for seed, board in enumerate(BOARDS):
            photographs.draw(place / board, seed)
            network.copy(place / board, board, "/srv/images")
        yield
    except MachineError:
        left_up = keep
        raise
    finally:
        if not left_up:
            # Whoever presses Ctrl-C again does not want containers to stay either.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            network.down()
            shutil.rmtree(place, ignore_errors=True)


def _published(place: Path) -> Path:
    """Return a repository of this checkout's commit, as machines clone it."""
    published = place / "nectar.git"
    for words in (
        ("init", "-q", "--bare", "-b", "main", str(published)),
        ("-C", str(ROOT), "push", "-q", str(published), "HEAD:refs/heads/main"),
    ):
        subprocess.run(["git", *words], check=True)  # noqa: S603, S607 - our own
    return published


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.follow_guide", description=__doc__)
    parser.add_argument("--base", default=_BASE, metavar="IMAGE", help="a Debian (%(default)s)")
    parser.add_argument(
        "--pip-cache", type=Path, metavar="FOLDER", help="what is downloaded, for all machines"
    )
    parser.add_argument("--torch-index", metavar="URL", help="of wheels for CPUs")
    parser.add_argument(
        "--logs", type=Path, default=_LOGS, metavar="FOLDER", help="what machines say (%(default)s)"
    )
    parser.add_argument("--keep", action="store_true", help="leave machines up if a step fails")
    return parser


if __name__ == "__main__":
    sys.exit(main())
