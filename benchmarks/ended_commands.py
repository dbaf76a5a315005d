"""Commands that are asked to end, in every phase: what is left, and whether the last line goes on.

``python -m benchmarks.ended_commands`` starts tiny runs as a user would, waits for a phase, sends
a signal, looks for processes that are left, and runs the command that was printed last. Linux only.
"""

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from rich.console import Console

from benchmarks.equal_journals import MEASURED, without
from local_federation.descendants import descendants, end_descendants, keep_orphans

_ROUNDS = 4
_SETTINGS = (f"rounds={_ROUNDS}", "max-samples=60", 'models="cnn"', 'device="cpu"', 'writers=""')
_DRAWN = ("fedktl.server-epochs=5", "oriented.image-size=16", 'server-device="cpu"')
# The name travels with every order, and its length is counted.
_NAME = "run"
_METHOD = ("--method", "fd", "--name", _NAME)
_POLL_S = 0.01
_PATIENCE_S = 180.0
_ALLOWED_S = 15.0

Journals = Mapping[str, list[Any]]


@final
@dataclass(frozen=True)
class Kind:
    """A command, and what it leaves.

    Attributes
    ----------
    words : tuple[str, ...]
        As typed, but for folder and settings that all have.
    run : str
        The run whose phases are waited for, in the command's folder.
    page : str
        What is written last, likewise.
    settings : tuple[str, ...]
        Those of this kind alone.
    """

    words: tuple[str, ...]
    run: str
    page: str
    settings: tuple[str, ...] = ()


_REPORT = f"{_NAME}/report.html"
KINDS = {
    "engine": Kind(("simulate", *_METHOD), _NAME, _REPORT),
    "ray": Kind(("simulate", "--engine", "ray", *_METHOD), _NAME, _REPORT),
    "deploy": Kind(("deploy", *_METHOD), _NAME, _REPORT),
    "demo": Kind(("demo",), "demo", "demo/report.html", _DRAWN),
    "compare": Kind(
        ("compare", "--methods", "fd", "--seeds", "0", "--name", _NAME),
        f"{_NAME}/fd-seed0",
        f"{_NAME}/compare.html",
    ),
}


@final
@dataclass
class Command:
    """A command under way.

    Attributes
    ----------
    kind : Kind
        What was typed.
    folder : Path
        Where it plays.
    process : subprocess.Popen[bytes]
        Leads a session of its own, as in a terminal.
    """

    kind: Kind
    folder: Path
    process: subprocess.Popen[bytes]

    def journals(self) -> Journals:
        """Return the journals of all its runs so far, without what clocks say."""
        return {
            str(path.parent.relative_to(self.folder)): _lines(path)
            for path in sorted(self.folder.rglob("rounds.jsonl"))
        }

    def rounds(self) -> int:
        """Return how many rounds the run that is waited for has completed."""
        return len(_lines(self.folder / self.kind.run / "rounds.jsonl"))

    def phase(self) -> tuple[int, str]:
        """Return round and phase that the run says it is in."""
        try:
            progress = json.loads((self.folder / self.kind.run / "progress.json").read_text())
        except (OSError, ValueError):
            return 0, ""
        return int(progress["round"]), str(progress["phase"])

    def said(self) -> list[str]:
        """Return the lines that it printed."""
        return _output(self.folder).read_text(errors="replace").splitlines()

    def wait(self) -> int | None:
        """Return its exit status, or ``None`` if it does not end."""
        try:
            return self.process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            return None


PHASES: dict[str, Callable[[Command], bool]] = {
    "start": lambda command: bool(descendants(command.process.pid)),
    "connecting": lambda command: (command.folder / command.kind.run).exists(),
    "between rounds": lambda command: command.rounds() == 2,
    "mid-round": lambda command: command.phase()[0] == 2 and "train" in command.phase()[1],
    "report": lambda command: command.rounds() == _ROUNDS,
}


def main() -> None:
    """Print a row for every command, phase and signal; end with status 1 if one is not well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--phases", nargs="+", default=list(PHASES), choices=PHASES)
    parser.add_argument("--signals", nargs="+", default=["INT", "TERM", "HUP"])
    parser.add_argument("--group", action="store_true", help="to all processes of the terminal")
    arguments = parser.parse_args()
    # What a shell starts in the background ignores it, and so would all that is started here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Whatever a command leaves behind comes back to this process, wherever it was put.
    keep_orphans()
    console = Console(highlight=False, soft_wrap=True)
    well = True
    with tempfile.TemporaryDirectory() as temporary:
        for kind in arguments.kinds:
            undisturbed = start(Path(temporary) / f"{kind}-whole", kind)
            if undisturbed.wait() != 0:
                raise SystemExit(f"{kind}: it does not end well undisturbed: {undisturbed.said()}")
            for phase in arguments.phases:
                for name in arguments.signals:
                    folder = Path(temporary) / f"{kind}-{phase.replace(' ', '-')}-{name}"
                    ended = start(folder, kind)
                    told, good = end(
                        ended, phase, name, undisturbed.journals(), group=arguments.group
                    )
                    console.print(f"{kind} | {phase} | {name} | {told}{'' if good else ' | BAD'}")
                    well = well and good
    sys.exit(not well)


def start(folder: Path, name: str) -> Command:
    """Start a command in a folder."""
    folder.mkdir()
    kind = KINDS[name]
    settings = (*_SETTINGS, *kind.settings)
    told = [word for setting in settings for word in ("--set", setting)]
    words = [*kind.words, "--clients", "2", "--folder", str(folder), *told]
    return Command(kind, folder, _popen(words, folder))


def end(
    command: Command, phase: str, name: str, whole: Journals, *, group: bool
) -> tuple[str, bool]:
    """Wait for a phase, send a signal, and tell what came of it and whether that is well."""
    deadline = time.monotonic() + _PATIENCE_S
    while not PHASES[phase](command):
        if command.process.poll() is not None or time.monotonic() > deadline:
            end_descendants(_ALLOWED_S)
            return f"the phase was never seen: {command.said()[-3:]}", False
        time.sleep(_POLL_S)
    asked = time.monotonic()
    send = os.killpg if group else os.kill
    send(command.process.pid, getattr(signal, f"SIG{name}"))
    status = command.wait()
    spent, left = time.monotonic() - asked, _left()
    parts = [f"{spent:.1f} s", f"{len(left)} left {sorted(left.values())}" if left else "0 left"]
    parts += [f"status {status}", f"{command.rounds()} rounds kept"]
    found, page = command.journals(), command.folder / command.kind.page
    well = not left and spent <= _ALLOWED_S and _begins(found, whole)
    if status == 0 and page.exists():
        return " | ".join([*parts, "was complete"]), well and found == whole
    last = command.said()[-1:] or [""]
    if " -m local_federation " not in last[0]:
        return " | ".join([*parts, f"last lines: {command.said()[-3:]}"]), False
    again = Command(command.kind, command.folder, _popen(shlex.split(last[0])[3:], command.folder))
    status, remaining = again.wait(), _left()
    equal = again.journals() == whole and page.exists()
    parts.append(f"resumed with status {status}, {'equal' if equal else 'DIFFERENT'}")
    if status != 0 or remaining:
        parts.append(f"{sorted(remaining.values())} left | {again.said()[-3:]}")
    return " | ".join(parts), well and status == 0 and equal and not remaining


def _left() -> dict[int, str]:
    """Return what a command that has ended left behind, and end it: others are to be judged."""
    found = descendants(os.getpid())
    end_descendants(_ALLOWED_S)
    return found


def _begins(found: Journals, whole: Journals) -> bool:
    """Tell whether all lines that are there are those of an undisturbed command."""
    return all(lines == whole.get(name, [])[: len(lines)] for name, lines in found.items())


def _lines(journal: Path) -> list[Any]:
    try:
        told = journal.read_text().splitlines(keepends=True)
    except OSError:
        return []
    # One that is being written has no end yet.
    return [without(json.loads(line), MEASURED) for line in told if line.endswith("\n")]


def _output(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.out")


def _popen(words: list[str], folder: Path) -> subprocess.Popen[bytes]:
    with _output(folder).open("wb") as output:
        return subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "local_federation", *words],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


if __name__ == "__main__":
    main()
