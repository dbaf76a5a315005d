"""What the stream costs: MocoSFL's steps over gRPC against the same steps in one process.

Twenty clients on one node, digits. The device's half runs in a process of its own and dials
over TLS on loopback; in "one process" both halves share a process and no network, and take
turns. One thread per process. Then cohorts and merged passes, on against off, and cohorts
behind a proxy that holds every byte back for a while (``--latency-ms`` each way).

Run with ``python -m benchmarks.split_steps [--steps 500] [--repetitions 3]``; medians of
repetitions that take turns, and their ratios from the same run.
"""

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, final

import torch
from rich.console import Console

from benchmarks.slow_wire import slow_wire
from client_app.devices.exchange_device import ExchangeNode
from client_app.half import client_half
from client_app.node import NodeConfig
from client_app.split.stream import StreamLink
from local_federation.one_process import OneProcess
from server_app.half import server_half
from server_app.split.session import SplitSession
from strategies import methods
from strategies.common.round import Reply
from strategies.common.run_config import default_config, read_run
from strategies.common.split.halves import SplitRound, SplitServerHalf
from strategies.common.split.wire.invitation import Invitation

Config = Mapping[str, bool | int | float | str]

CLIENTS = 20
STEPS_PER_ROUND = 50
SETTINGS: Config = {
    "method": "mocosfl",
    "data": "digits",
    "image-size": 16,
    "partition": "shards",
    "min-train-samples": 4,
    "clients-per-node": CLIENTS,
    "evaluate-every": 0,
    "device": "cpu",
    "server-device": "cpu",
    "split.width": 8,
    "split.step-deadline-s": 60.0,
    "mocosfl.steps-per-round": STEPS_PER_ROUND,
    "mocosfl.memory-size": 1024,
    "mocosfl.learning-rate": 0.03,
    "mocosfl.client-learning-rate": 0.03,
}
TARGET = 1.3


@final
class Device:
    """The device's half, in a process of its own.

    Parameters
    ----------
    config : Config
        Flat run config.
    folder : Path
        Takes prepared data.
    """

    def __init__(self, config: Config, folder: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve_device, args=(theirs, config, folder))
        self._process.start()
        self._pipe.recv()

    def train(self, invitation: Invitation, round_number: int, downlink: Any) -> Any:
        """Let it play one round and return its uplink."""
        self._pipe.send((invitation, round_number, downlink))
        return self._pipe.recv()

    def stop(self) -> None:
        """End the process."""
        self._pipe.send(None)
        self._process.join()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--latency-ms", type=float, default=20.0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rounds = arguments.steps // STEPS_PER_ROUND
    config = {**default_config(), **SETTINGS, "rounds": rounds}
    one_cohort = {**config, "split.cohorts": 1}
    unmerged = {**config, "mocosfl.merge-passes": False}
    seconds: dict[str, list[float]] = {}
    with TemporaryDirectory() as folder:
        place = Path(folder)
        _one_process(config, place, 1)
        for _ in range(arguments.repetitions):
            _add(seconds, "one process", _one_process(config, place, rounds))
            _add(seconds, "stream", _stream(config, place, rounds))
            _add(seconds, "stream, one cohort", _stream(one_cohort, place, rounds))
            _add(seconds, "stream, passes apart", _stream(unmerged, place, rounds))
        few = max(1, rounds // 5)
        for _ in range(arguments.repetitions):
            for name, own in (("two cohorts", config), ("one cohort", one_cohort)):
                _add(seconds, f"near, {name}", _stream(own, place, few))
                slow = _stream(own, place, few, latency_s=arguments.latency_ms / 1000)
                _add(seconds, f"far, {name}", slow)
    _tell(seconds, rounds, few, arguments.latency_ms)


def _one_process(config: Config, folder: Path, rounds: int) -> float:
    process = OneProcess(config, 0, 1, folder)
    started = time.perf_counter()
    for number in range(1, rounds + 1):
        process.play(number)
    return time.perf_counter() - started


def _stream(config: Config, folder: Path, rounds: int, *, latency_s: float = 0.0) -> float:
    run, split = read_run(config), methods.split_settings(config)
    half = server_half(run, config)
    if not isinstance(half, SplitServerHalf):
        raise TypeError("expected a split method")
    device = Device(config, folder)
    try:
        half.provided.agree(_device(config, folder, 1).task)
        state = half.start()
        started = time.perf_counter()
        for number in range(1, rounds + 1):
            plan = half.plan(state, number, [0])
            engine = half.engine(state, plan)
            seats = {0: plan.seats(0, CLIENTS)}
            specs = partial(half.frames, batch=plan.batch)
            with SplitSession(engine, plan, specs, seats, split, 1) as session:
                invitation = session.invitation(0)
                with _behind(invitation.address, latency_s) as address:
                    dialled = invitation.model_copy(update={"address": address})
                    uplink = device.train(dialled, number, half.broadcast(state))
            if session.failure:
                raise RuntimeError(session.failure)
            half.aggregate(state, SplitRound(number, plan, engine), [Reply(0, 1, uplink)])
        return time.perf_counter() - started
    finally:
        device.stop()


@contextmanager
def _behind(address: str, latency_s: float) -> Iterator[str]:
    with slow_wire(address, latency_s) if latency_s else nullcontext(address) as dialled:
        yield dialled


def _serve_device(pipe: Connection, config: Config, folder: Path) -> None:
    torch.set_num_threads(1)
    half: Any = client_half(read_run(config), config)
    half.provided.agree(_device(config, folder, 1).task)
    state = half.start(_device(config, folder, 1))
    pipe.send("ready")
    while (order := pipe.recv()) is not None:
        invitation, round_number, downlink = order
        link = StreamLink(invitation, 0)
        device = _device(config, folder, round_number, link)
        pipe.send(half.train(device, state, downlink).uplink)
        link.close()


def _device(
    config: Config, folder: Path, round_number: int, link: StreamLink | None = None
) -> ExchangeNode:
    node = NodeConfig(partition_id=0, num_partitions=1, state_dir=str(folder))
    split = methods.split_settings(config)
    return ExchangeNode(split, node, read_run(config), round_number, link)


def _tell(seconds: dict[str, list[float]], rounds: int, few: int, latency_ms: float) -> None:
    console = Console()
    median = {name: statistics.median(values) for name, values in seconds.items()}
    for name, values in seconds.items():
        steps = STEPS_PER_ROUND * (few if name.startswith(("near", "far")) else rounds)
        spread = ", ".join(f"{value:.1f}" for value in values)
        console.print(
            f"{name}: {median[name]:.1f} s for {steps} steps, "
            f"{1000 * median[name] / steps:.1f} ms each ({spread})"
        )
    console.print(
        f"stream / one process: {median['stream'] / median['one process']:.2f} (target {TARGET})"
    )
    console.print(f"one cohort / two: {median['stream, one cohort'] / median['stream']:.2f}")
    console.print(f"passes apart / merged: {median['stream, passes apart'] / median['stream']:.2f}")
    waits = {n: median[f"far, {n}"] - median[f"near, {n}"] for n in ("one cohort", "two cohorts")}
    hidden = 1 - waits["two cohorts"] / waits["one cohort"]
    console.print(
        f"{latency_ms:g} ms each way: one cohort waits {waits['one cohort']:.1f} s, two "
        f"{waits['two cohorts']:.1f} s: {100 * hidden:.0f} % hidden"
    )


def _add(seconds: dict[str, list[float]], name: str, value: float) -> None:
    seconds.setdefault(name, []).append(value)
    Console(stderr=True).print(f"{name}: {value:.1f} s", style="dim")


if __name__ == "__main__":
    main()
