"""Wall time and CPU of a simulated round against the bare PyTorch loops of the same clients.

``simulate`` is started as a user would, with method ``local``. The floor is the sum of the bare
training and evaluation loops over the clients, divided by the number of workers; the loops run
in as many processes at once as there are workers, so that both sides share the machine alike.
What is above the floor is Nectar's and Flower's: messages, processes, reading data and states,
saving them, aggregation and the journal. CPU is that of the command and of all it started.

Run with ``python -m benchmarks.simulated_round DATA``, where DATA is a source, for example
``parquet:FOLDER`` with CIFAR-10 in the hub's layout or ``pfllib:FOLDER``.
"""

import argparse
import json
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import torch
from rich.console import Console
from torch.nn import functional

from benchmarks.process_tree import ProcessTree
from client_app.devices.message_device import LocalDevice
from client_app.node import read_node
from strategies.common.samples import ordered_batches, prepare, shuffled_batches
from strategies.common.settings import default_config, read_run

_POLL_S = 0.05
_RUN = "run"
Settings = dict[str, bool | int | float | str]


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
        played = _simulate(folder, arguments, settings)
        state = folder / ".federation" / "state"
        jobs = [
            (client, arguments.clients, settings, str(state)) for client in range(arguments.clients)
        ]
        with multiprocessing.get_context("spawn").Pool(arguments.workers) as pool:
            loops = pool.starmap(bare_loop, jobs, chunksize=1)
    for line in _told(played, loops, arguments.workers):
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
    parser.add_argument("--engine", choices=["local", "ray"], default="local")
    return parser


@final
@dataclass
class Played:
    """What was seen of a run.

    Attributes
    ----------
    startup : tuple[float, float]
        Wall and CPU seconds until the first client was at work.
    whole : tuple[float, float]
        Wall and CPU seconds of the command.
    cpu_at : list[float]
        CPU seconds when each round was complete.
    lines : list[dict[str, Any]]
        The journal.
    """

    startup: tuple[float, float] = (0.0, 0.0)
    whole: tuple[float, float] = (0.0, 0.0)
    cpu_at: list[float] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)


def _simulate(folder: Path, arguments: argparse.Namespace, settings: Settings) -> Played:
    words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    places = ["--folder", str(folder), "--name", _RUN, "--clients", str(arguments.clients)]
    carrier = ["--engine", arguments.engine, "--workers", str(arguments.workers)]
    command = [sys.executable, "-m", "local_federation", "simulate", "--method", "local"]
    played, run_dir, started = Played(), folder / _RUN, time.monotonic()
    process = subprocess.Popen([*command, *places, *carrier, *words])  # noqa: S603 - our own
    tree = ProcessTree(process.pid)
    while process.poll() is None:
        cpu = tree.cpu_seconds()
        if not played.startup[0] and _phase(run_dir) == "training":
            played.startup = time.monotonic() - started, cpu
        for _ in range(len(_lines(run_dir)) - len(played.cpu_at)):
            played.cpu_at.append(cpu)
        time.sleep(_POLL_S)
    if process.returncode:
        raise SystemExit(process.returncode)
    played.whole = time.monotonic() - started, tree.cpu_seconds()
    played.lines = _lines(run_dir)
    return played


def _phase(run_dir: Path) -> str:
    try:
        return str(json.loads((run_dir / "progress.json").read_text())["phase"])
    except (OSError, ValueError, KeyError):
        return ""


def _lines(run_dir: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in (run_dir / "rounds.jsonl").read_text().splitlines()]
    except (OSError, ValueError):
        return []


def _told(played: Played, loops: list[tuple[float, float]], workers: int) -> Iterator[str]:
    rounds = [line["seconds"]["total"] for line in played.lines][1:]
    wall, cpu = (sum(loop[part] for loop in loops) for part in (0, 1))
    floor, simulated = wall / workers, statistics.median(rounds)
    yield (
        f"round: median {simulated:.2f} s of {len(rounds)} ({min(rounds):.2f} to "
        f"{max(rounds):.2f}); bare loops {wall:.2f} s / {workers} workers = {floor:.2f} s; ratio "
        f"{simulated / floor:.3f}"
    )
    counted = len(played.cpu_at) - 1
    everything = (played.cpu_at[-1] - played.cpu_at[0]) / counted
    yield (
        f"CPU of everything: {everything:.2f} s a round; bare loops {cpu:.2f} s; ratio "
        f"{everything / cpu:.3f}"
    )
    turns = statistics.median(
        sum(node["figures"].get("cpu_s", 0.0) for node in line["nodes"].values())
        for line in played.lines[1:]
    )
    yield f"CPU of the clients' turns: {turns:.2f} s a round; ratio {turns / cpu:.3f}"
    yield "start-up: {:.1f} s, {:.1f} CPU-s".format(*played.startup)
    yield "the command: {:.1f} s, {:.1f} CPU-s, {} rounds".format(*played.whole, counted + 1)


def bare_loop(partition: int, clients: int, settings: Settings, state: str) -> tuple[float, float]:
    """Return wall and CPU seconds of one client's plain training epoch and evaluation.

    Data and model are ready before the clock starts; the medians of three epochs count.
    """
    torch.set_num_threads(1)
    run = read_run({**default_config(), **settings, "state-dir": state})
    node = read_node({"partition-id": partition, "num-partitions": clients})
    device = LocalDevice(node, run, round_number=1)
    model, train, test = device.build_model(), device.train, device.test
    optimiser = torch.optim.SGD(model.parameters(), run.learning_rate)
    walls, cpus = [], []
    for _ in range(3):
        started, used = time.perf_counter(), time.process_time()
        model.train()
        order = device.generator("batches")
        for index in shuffled_batches(len(train), run.batch_size, order):
            loss = functional.cross_entropy(
                model(prepare(train.inputs[index])), train.labels[index]
            )
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        model.eval()
        with torch.no_grad():
            for part in ordered_batches(len(test), 256):
                model(prepare(test.inputs[part])).argmax(1)
        walls.append(time.perf_counter() - started)
        cpus.append(time.process_time() - used)
    return statistics.median(walls), statistics.median(cpus)


if __name__ == "__main__":
    main()
