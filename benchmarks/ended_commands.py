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
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from rich.console import Console

from benchmarks.equal_journals import MEASURED, without
from local_federation.descendants import descendants

_ROUNDS = 4
_SETTINGS = (f"rounds={_ROUNDS}", "max-samples=60", 'models="cnn"', 'device="cpu"', 'writers=""')
# The name travels with every order, and its length is counted.
_NAME = "run"
_POLL_S = 0.01
_PATIENCE_S = 180.0
_ALLOWED_S = 15.0

COMMANDS = {
    "engine": ("simulate", "--clients", "2"),
    "ray": ("simulate", "--clients", "2", "--engine", "ray"),
    "deploy": ("deploy", "--clients", "2"),
}


@final
@dataclass
class Command:
    """A command under way.

    Attributes
    ----------
    folder : Path
        Where it plays.
    process : subprocess.Popen[str]
        Leads a session of its own, as in a terminal.
    """

    folder: Path
    process: subprocess.Popen[str]

    def lines(self) -> list[Any]:
        """Return the journal so far, without what clocks say."""
        try:
            told = (self.folder / _NAME / "rounds.jsonl").read_text().splitlines()
        except OSError:
            return []
        return [without(json.loads(line), MEASURED) for line in told]

    def phase(self) -> tuple[int, str]:
        """Return round and phase that the run says it is in."""
        try:
            progress = json.loads((self.folder / _NAME / "progress.json").read_text())
        except (OSError, ValueError):
            return 0, ""
        return int(progress["round"]), str(progress["phase"])


PHASES: dict[str, Callable[[Command], bool]] = {
    "start": lambda command: bool(descendants(command.process.pid)),
    "connecting": lambda command: (command.folder / _NAME).exists(),
    "between rounds": lambda command: len(command.lines()) == 2,
    "mid-round": lambda command: command.phase()[0] == 2 and "train" in command.phase()[1],
    "report": lambda command: len(command.lines()) == _ROUNDS,
}


def main() -> None:
    """Print a row for every engine, phase and signal; end with status 1 if one is not well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engines", nargs="+", default=list(COMMANDS), choices=COMMANDS)
    parser.add_argument("--phases", nargs="+", default=list(PHASES), choices=PHASES)
    parser.add_argument("--signals", nargs="+", default=["INT", "TERM", "HUP"])
    parser.add_argument("--group", action="store_true", help="to all processes of the terminal")
    arguments = parser.parse_args()
    console = Console(highlight=False, soft_wrap=True)
    well = True
    with tempfile.TemporaryDirectory() as temporary:
        for engine in arguments.engines:
            whole = start(Path(temporary) / f"{engine}-whole", engine)
            whole.process.communicate(timeout=_PATIENCE_S)
            for phase in arguments.phases:
                for name in arguments.signals:
                    folder = Path(temporary) / f"{engine}-{phase.replace(' ', '-')}-{name}"
                    ended = start(folder, engine)
                    told, good = end(ended, phase, name, whole.lines(), group=arguments.group)
                    console.print(f"{engine} | {phase} | {name} | {told}")
                    well = well and good
    sys.exit(not well)


def start(folder: Path, engine: str) -> Command:
    """Start a run in a folder."""
    folder.mkdir()
    words = [*COMMANDS[engine], "--method", "fd", "--folder", str(folder), "--name", _NAME]
    told = [word for setting in _SETTINGS for word in ("--set", setting)]
    return Command(folder, _popen([*words, *told]))


def end(
    command: Command, phase: str, name: str, whole: list[Any], *, group: bool
) -> tuple[str, bool]:
    """Wait for a phase, send a signal, and tell what came of it and whether that is well."""
    deadline = time.monotonic() + _PATIENCE_S
    while not PHASES[phase](command):
        if command.process.poll() is not None or time.monotonic() > deadline:
            return "the phase was never seen", False
        time.sleep(_POLL_S)
    started = set(descendants(command.process.pid))
    asked = time.monotonic()
    send = os.killpg if group else os.kill
    send(command.process.pid, getattr(signal, f"SIG{name}"))
    said, _ = command.process.communicate(timeout=_PATIENCE_S)
    left, spent = started & alive(), time.monotonic() - asked
    kept = len(command.lines())
    last = said.splitlines()[-1] if said.strip() else ""
    status = command.process.returncode
    parts = [f"{spent:.1f} s", f"{len(left)} left", f"status {status}", f"{kept} rounds kept"]
    if not left and (kept == _ROUNDS and status == 0):
        return " | ".join([*parts, "was complete"]), command.lines() == whole
    again = _popen(shlex.split(last)[3:]) if " -m local_federation " in last else None
    if again is None:
        return " | ".join([*parts, f"last line: {last}"]), False
    again.communicate(timeout=_PATIENCE_S)
    equal = command.lines() == whole and (command.folder / _NAME / "report.html").exists()
    parts.append(f"resumed with status {again.returncode}, {'equal' if equal else 'DIFFERENT'}")
    return " | ".join(parts), not left and spent <= _ALLOWED_S and not again.returncode and equal


def alive() -> set[int]:
    """Return the ids of all processes of this machine."""
    return {int(place.name) for place in Path("/proc").glob("[0-9]*")}


def _popen(words: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "local_federation", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


if __name__ == "__main__":
    main()
