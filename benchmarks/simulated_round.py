"""Wall time and CPU of a simulated round against the bare PyTorch loops of the same clients.

``simulate`` is started as a user would, with method ``local``. After each round all of its
processes are stopped while the bare training and evaluation loops of the same clients are
played, in as many processes at once as there are workers, and are then let go on: so both
sides meet the machine in the same minute, and each round has its own floor, the sum of the
loops divided by the number of workers. What is above it is Nectar's and Flower's: messages,
processes, reading data and states, saving them, aggregation and the journal. CPU is that of
the command and of all it started.

Run with ``python -m benchmarks.simulated_round DATA``, where DATA is a source, for example
``parquet:FOLDER`` with CIFAR-10 in the hub's layout or ``pfllib:FOLDER``.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from rich.console import Console

from benchmarks.bare_loops import BareLoops, LoopTime, Settings
from benchmarks.process_tree import ProcessTree

# A round's end is seen so late at most.
_LOOK_S = 0.005
# Processes that end between two looks are missed with what they used since the last one.
_COUNT_S = 0.25
_RUN = "run"


def main() -> None:
    """Measure a simulated run and the bare loops, and print their ratios."""
    arguments = _parser().parse_args()
    console = Console(highlight=False, soft_wrap=True)
    settings: Settings = {
        "data": arguments.data,
        "partition": arguments.partition,
        "models": arguments.models,
        "max-samples": arguments.max_samples,
        "feature-dim": arguments.feature_dim,
        "rounds": arguments.rounds,
        "local-epochs": 1,
        "learning-rate": 0.01,
        "device": "cpu",
        "server-device": "cpu",
    }
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        state = {**settings, "state-dir": str(folder / ".federation" / "state")}
        with BareLoops(arguments.clients, arguments.workers, state) as loops:
            played = _simulate(folder, arguments, settings, loops)
    for line in _told(played, arguments.workers):
        console.print(line)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="data source")
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--models", default="cnn,resnet8")
    parser.add_argument("--partition", default="iid", help="of a common data set (%(default)s)")
    parser.add_argument("--max-samples", type=int, default=2000, help="of a client; 0 for all")
    parser.add_argument("--feature-dim", type=int, default=512)
    return parser


@final
@dataclass
class Round:
    """One round as it was seen, and the loops that were played after it.

    Attributes
    ----------
    wall, cpu : float
        Seconds from the end of the round before to its own.
    turns : float
        CPU seconds of the clients' turns, as they told.
    loops : LoopTime
        The bare loops of all clients.
    """

    wall: float
    cpu: float
    turns: float
    loops: LoopTime


@final
@dataclass
class Played:
    """What was seen of a run; times in which it was stopped do not count.

    Attributes
    ----------
    startup, whole : tuple[float, float]
        Wall and CPU seconds until the first client was at work, and of the command.
    rounds : list[Round]
        In their order.
    """

    startup: tuple[float, float] = (0.0, 0.0)
    whole: tuple[float, float] = (0.0, 0.0)
    rounds: list[Round] = field(default_factory=list)


def _simulate(
    folder: Path, arguments: argparse.Namespace, settings: Settings, loops: BareLoops
) -> Played:
    words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    places = ["--folder", str(folder), "--name", _RUN, "--clients", str(arguments.clients)]
    carrier = ["--workers", str(arguments.workers)]
    command = [sys.executable, "-m", "local_federation", "simulate", "--method", "local"]
    played, run_dir, started = Played(), folder / _RUN, time.monotonic()
    process = subprocess.Popen([*command, *places, *carrier, *words])  # noqa: S603 - our own
    tree = ProcessTree(process.pid)
    stopped, counted, read = 0.0, 0.0, 0
    last = (0.0, 0.0)
    while process.poll() is None:
        now = time.monotonic()
        if now - counted > _COUNT_S:
            counted, cpu = now, tree.cpu_seconds()
            if not played.startup[0] and _phase(run_dir) == "training":
                played.startup = last = now - started, cpu
        if (size := _size(run_dir)) > read and len(lines := _lines(run_dir)) > len(played.rounds):
            read = size
            seen = time.monotonic() - started - stopped, tree.cpu_seconds()
            turns = sum(node["figures"].get("cpu_s", 0.0) for node in lines[-1]["nodes"].values())
            with tree.stopped():
                began = time.monotonic()
                found = loops.play()
                stopped += time.monotonic() - began
            played.rounds.append(Round(seen[0] - last[0], seen[1] - last[1], turns, found))
            last = seen
        time.sleep(_LOOK_S)
    if process.returncode:
        raise SystemExit(process.returncode)
    played.whole = time.monotonic() - started - stopped, tree.cpu_seconds()
    return played


def _phase(run_dir: Path) -> str:
    try:
        return str(json.loads((run_dir / "progress.json").read_text())["phase"])
    except (OSError, ValueError, KeyError):
        return ""


def _size(run_dir: Path) -> int:
    try:
        return (run_dir / "rounds.jsonl").stat().st_size
    except OSError:
        return 0


def _lines(run_dir: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in (run_dir / "rounds.jsonl").read_text().splitlines()]
    except (OSError, ValueError):
        return []


def _told(played: Played, workers: int) -> Iterator[str]:
    # The first round also prepares the data.
    counted = played.rounds[1:]
    walls = [one.wall for one in counted]
    floors = [one.loops.wall / workers for one in counted]
    yield (
        f"round: median {statistics.median(walls):.2f} s of {len(walls)} ({min(walls):.2f} to "
        f"{max(walls):.2f}); bare loops / {workers} workers {statistics.median(floors):.2f} s; "
        f"{_ratios(walls, floors)}"
    )
    bare = [one.loops.cpu for one in counted]
    every, turns = [one.cpu for one in counted], [one.turns for one in counted]
    yield (
        f"CPU of everything: {statistics.median(every):.2f} s a round; bare loops "
        f"{statistics.median(bare):.2f} s; {_ratios(every, bare)}"
    )
    yield f"CPU of the clients' turns: {statistics.median(turns):.2f} s; {_ratios(turns, bare)}"
    yield "start-up: {:.1f} s, {:.1f} CPU-s".format(*played.startup)
    yield "the command: {:.1f} s, {:.1f} CPU-s, {} rounds".format(*played.whole, len(played.rounds))


def _ratios(taken: list[float], floors: list[float]) -> str:
    ratios = [one / floor for one, floor in zip(taken, floors, strict=True)]
    whole = sum(taken) / sum(floors)
    return (
        f"ratio {whole:.3f} over all, {statistics.median(ratios):.3f} in the median round "
        f"({min(ratios):.2f} to {max(ratios):.2f})"
    )


if __name__ == "__main__":
    main()
