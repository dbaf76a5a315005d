"""Many clients and many rounds on one machine: time per client, and memory that must not grow.

Clients hold a few tiny images of four classes each, drawn here. ``simulate`` is started as a user
would. Run with ``python -m benchmarks.many_clients`` for 100, 300 and 1,000 clients of three
methods, and with ``--clients 5 --rounds 300`` for a long run.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

import numpy as np
from rich.console import Console

from benchmarks.process_tree import ProcessTree

_CLASSES, _SIDE = 4, 8
_POLL_S = 0.1
# The command starts the engine, that the run's server, that a process that forks its workers.
_SERVER, _WORKERS = 2, 4
_MB = 1e6


def main() -> None:
    """Play methods with growing numbers of clients and print time and memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", default="local,fedproto,fedktl")
    parser.add_argument("--clients", default="100,300,1000")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=12, help="training images of a client")
    parser.add_argument("--keep", type=Path, help="folder that takes data and runs")
    arguments = parser.parse_args()
    console = Console(highlight=False, soft_wrap=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.keep or Path(temporary)).resolve()
        for clients in map(int, arguments.clients.split(",")):
            data = write_data(folder / f"data-{clients}", clients, arguments.samples)
            for method in arguments.methods.split(","):
                seen = _play(folder, data, method, clients, arguments.rounds)
                console.print(_told(method, clients, seen))


def write_data(folder: Path, clients: int, samples: int) -> Path:
    """Write images of noisy patterns, a client's share with half the classes, PFLlib's way."""
    random = np.random.default_rng(0)
    patterns = random.normal(size=(_CLASSES, 1, _SIDE, _SIDE)).astype(np.float32)
    for part, count in (("train", samples), ("test", max(samples // 3, 2))):
        (folder / part).mkdir(parents=True, exist_ok=True)
        for client in range(clients):
            held = random.permutation(_CLASSES)[: _CLASSES // 2]
            labels = np.resize(held, count)
            images = patterns[labels] + random.normal(size=(count, 1, _SIDE, _SIDE))
            rows = {"x": images.astype(np.float32), "y": labels.astype(np.int64)}
            np.savez(folder / part / f"{client}.npz", data=np.array(rows, dtype=object))
    (folder / "config.json").write_text(json.dumps({"num_classes": _CLASSES}))
    return folder


@final
@dataclass
class Seen:
    """What was seen of a run.

    Attributes
    ----------
    seconds : list[float]
        Of each round.
    complete, server, workers : list[int]
        Rounds that were complete at each look, and bytes of resident memory then.
    whole : float
        Seconds of the command.
    page : int
        Bytes of the report.
    """

    seconds: list[float] = field(default_factory=list)
    complete: list[int] = field(default_factory=list)
    server: list[int] = field(default_factory=list)
    workers: list[int] = field(default_factory=list)
    whole: float = 0.0
    page: int = 0


def _play(folder: Path, data: Path, method: str, clients: int, rounds: int) -> Seen:
    name = f"{method}-{clients}"
    if (folder / name).exists():
        raise SystemExit(f"{folder / name}: expected nothing, found a run; name another --keep")
    settings = {
        "data": f"pfllib:{data}",
        "models": "cnn,resnet4",
        "feature-dim": 16,
        "rounds": rounds,
        "min-train-samples": 2,
        "min-test-samples": 1,
        "fedktl.server-epochs": 20,
        "device": "cpu",
        "server-device": "cpu",
    }
    own = {key: value for key, value in settings.items() if method in key or "." not in key}
    words = [word for key, value in own.items() for word in ("--set", f"{key}={value}")]
    command = [sys.executable, "-m", "local_federation", "simulate", "--method", method]
    places = ["--folder", str(folder), "--name", name, "--clients", str(clients)]
    started, seen = time.monotonic(), Seen()
    with (folder / "said.txt").open("w") as said:
        process = subprocess.Popen([*command, *places, *words], stdout=said)  # noqa: S603
    tree = ProcessTree(process.pid)
    while process.poll() is None:
        # The baseline that simulate plays first has another folder, and is not counted.
        if complete := _rounds(folder / name):
            seen.complete.append(complete)
            seen.server.append(tree.resident_bytes(_SERVER))
            seen.workers.append(tree.resident_bytes(_WORKERS))
        time.sleep(_POLL_S)
    if process.returncode:
        raise SystemExit((folder / "said.txt").read_text())
    seen.whole = time.monotonic() - started
    lines = (folder / name / "rounds.jsonl").read_text().splitlines()
    seen.seconds = [json.loads(line)["seconds"]["total"] for line in lines]
    seen.page = (folder / name / "report.html").stat().st_size
    return seen


def _rounds(run_dir: Path) -> int:
    # Not parsed, for whoever measures shares the cores: a line of 1,000 clients has a megabyte.
    try:
        return (run_dir / "rounds.jsonl").read_bytes().count(b"\n")
    except OSError:
        return 0


def _told(method: str, clients: int, seen: Seen) -> str:
    each = 1000 * sum(seen.seconds) / len(seen.seconds) / clients
    return (
        f"{method}, {clients} clients, {len(seen.seconds)} rounds: {each:.1f} ms a client and "
        f"round, first {seen.seconds[0]:.1f} s, last {seen.seconds[-1]:.1f} s, command "
        f"{seen.whole:.0f} s; server {_grown(seen, seen.server)}; workers "
        f"{_grown(seen, seen.workers)}; report "
        f"{seen.page / _MB:.1f} MB"
    )


def _grown(seen: Seen, sizes: Sequence[int]) -> str:
    """Compare memory after the first round, or a tenth of a long run, with that before the last.

    Once the last one is complete, the report is drawn.
    """
    rounds = len(seen.seconds)
    between = [
        size
        for size, complete in zip(sizes, seen.complete, strict=True)
        if rounds // 10 < complete < rounds
    ]
    if len(between) < 2:
        return "not seen"
    first, last = between[0], between[-1]
    return f"{first / _MB:.0f} to {last / _MB:.0f} MB ({100 * (last / max(first, 1) - 1):+.1f} %)"


if __name__ == "__main__":
    main()
