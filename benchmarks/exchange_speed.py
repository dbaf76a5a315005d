"""Exchanges per second of one lane, against a bare gRPC stream with frames of the same size.

Both run between the same two processes, over TLS, with the same threaded gRPC; the bare
stream sends ready-made bytes and returns ready-made bytes. What is left of its speed is the
price of writing, checking, turns and answers.

Run with ``python -m benchmarks.exchange_speed [--repetitions 7] [--seconds 0.5]``; medians of
repetitions that take turns, and the best of them, which a busy machine disturbs least.
"""

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from typing import Any, final

import grpc
import torch
from rich.console import Console
from torch import Tensor

from client_app.split.connection import Connection
from client_app.split.stream import StreamLink
from server_app.split.certificate import self_signed
from server_app.split.session import SplitSession
from strategies.common.run_config import default_config, read_table
from strategies.common.split.engine import Engine
from strategies.common.split.plan import TrainingPlan
from strategies.common.split.settings import SplitSettings
from strategies.common.split.wire.frames import (
    Activations,
    FrameSpec,
    Gradients,
    Survey,
    TensorSpec,
)
from strategies.common.split.wire.framing import Framer
from strategies.common.split.wire.invitation import Invitation
from strategies.common.split.wire.protocol import METHOD, SERVICE, channel_options

# More than any repetition can use up.
_STEPS = 100_000_000
_HOST = "127.0.0.1"
TARGET = 0.6


@final
@dataclass(frozen=True)
class Case:
    """Frames of one size: two tensors up, the gradient of one down."""

    name: str
    batch: int
    shape: tuple[int, ...]

    @property
    def plan(self) -> TrainingPlan:
        """One client in one cohort."""
        return TrainingPlan(1, _STEPS, self.batch, ((0,),))

    def spec(self, clients: tuple[int, ...] = (0,)) -> FrameSpec:
        """Return what the frames hold."""
        tensors = tuple(
            TensorSpec(name, "activations", self.shape, 1e4) for name in ("query", "key")
        )
        return FrameSpec(clients, self.batch, tensors, True, "float32", "float32", 10)

    def tensors(self) -> tuple[Tensor, Tensor]:
        """Return what is sent up."""
        randomness = torch.Generator().manual_seed(0)
        query, key = torch.randn(2, 1, self.batch, *self.shape, generator=randomness)
        return query, key


CASES = (
    Case("C4S2, one image: 8 KiB up, 4 KiB down", 1, (4, 16, 16)),
    Case("C4S2, 20 images: 160 KiB up, 80 KiB down", 20, (4, 16, 16)),
    Case("raw cut, 2 images: 1 MiB up, 0.5 MiB down", 2, (64, 32, 32)),
)


@final
class Mirror(Engine):
    """Answers the first tensor as its own gradient."""

    def advance(
        self,
        step: int,  # noqa: ARG002 - whatever the turn
        cohort: int,  # noqa: ARG002
        arrived: Mapping[int, tuple[Tensor, ...]],
    ) -> Mapping[int, Tensor]:
        """Return what came."""
        return {client: tensors[0] for client, tensors in arrived.items()}

    def finish(self, step: int) -> None:
        """Learn nothing."""

    def survey(self, survey: Survey) -> None:
        """Keep nothing."""

    def forget(self, clients: Collection[int]) -> None:
        """Have nothing to forget."""


def serve(pipe: Pipe, case: Case) -> None:
    """Serve both contestants in a process of its own until the pipe is written to."""
    config = {**default_config(), "split.step-deadline-s": 60.0, "split.host": _HOST}
    settings = read_table(config, "split", SplitSettings)
    nodes = {0: ((0,),)}
    with SplitSession(Mirror(), case.plan, case.spec, nodes, settings, 1) as session:
        server, invitation = bare_server(case, session.invitation(0))
        pipe.send((session.invitation(0), invitation))
        pipe.recv()
        server.stop(0).wait()


def bare_server(case: Case, like: Invitation) -> tuple[Any, Invitation]:
    """Start a server that answers every message with the bytes of one gradient."""
    framer = Framer(case.spec(), "bare")
    answer = framer.write_answer(Gradients(1, case.tensors()[0]))

    def echo(requests: Iterator[bytes], _context: Any) -> Iterator[bytes]:
        for _ in requests:
            yield answer

    own = self_signed([_HOST], 3600.0)
    server = grpc.server(
        ThreadPoolExecutor(4),
        handlers=[
            grpc.method_handlers_generic_handler(
                SERVICE, {METHOD: grpc.stream_stream_rpc_method_handler(echo)}
            )
        ],
        options=channel_options(framer.largest_up),
    )
    port = server.add_secure_port(
        f"{_HOST}:0", grpc.ssl_server_credentials([(own.key, own.certificate)])
    )
    server.start()
    changed = {"address": f"{_HOST}:{port}", "certificate": own.certificate}
    return server, like.model_copy(update=changed)


@final
class Lane:
    """Nectar's side: tensors up, a gradient down."""

    def __init__(self, invitation: Invitation, case: Case) -> None:
        self._link = StreamLink(invitation, 0)
        self._lane = self._link.lane(0, case.spec())
        self._tensors = case.tensors()
        self._step = 0

    def exchange(self) -> None:
        """Play one step."""
        self._step += 1
        self._lane.send(self._step, self._tensors)
        self._lane.receive()

    def close(self) -> None:
        """End the stream."""
        self._link.close()


@final
class Bare:
    """The same bytes without any meaning."""

    def __init__(self, invitation: Invitation, case: Case) -> None:
        framer = Framer(case.spec(), "bare")
        self._connection = Connection(invitation, framer.largest_down)
        self._raw = framer.write_activations(Activations(1, case.tensors()))

    def exchange(self) -> None:
        """Send and receive once."""
        self._connection.write(self._raw)
        self._connection.read()

    def close(self) -> None:
        """End the stream."""
        self._connection.close()


def speed(contestant: Lane | Bare, seconds: float) -> float:
    """Return exchanges per second."""
    begin, count = time.perf_counter(), 0
    while (taken := time.perf_counter() - begin) < seconds:
        contestant.exchange()
        count += 1
    return count / taken


def measure(case: Case, repetitions: int, seconds: float) -> tuple[list[float], list[float]]:
    """Return the speeds of the lane and of the bare stream, repetition by repetition."""
    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, case))
    process.start()
    own, bare = pipe.recv()
    contestants: tuple[Lane | Bare, ...] = (Lane(own, case), Bare(bare, case))
    speeds: tuple[list[float], list[float]] = ([], [])
    for repetition in range(repetitions + 1):
        for contestant, found in zip(contestants, speeds, strict=True):
            taken = speed(contestant, seconds)
            # The first round warms up.
            if repetition:
                found.append(taken)
    for contestant in contestants:
        contestant.close()
    pipe.send("done")
    process.join()
    return speeds


def main() -> int:
    """Measure all cases; return 1 if one misses the target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    console = Console()
    missed = 0
    for case in CASES:
        speeds = measure(case, options.repetitions, options.seconds)
        lane, bare = map(statistics.median, speeds)
        console.print(
            f"{case.name}:\n  lane {lane:.0f}/s, bare gRPC {bare:.0f}/s, ratio {lane / bare:.2f}; "
            f"best against best {max(speeds[0]) / max(speeds[1]):.2f}"
        )
        missed += lane / bare < TARGET
    console.print(f"target {TARGET:g}: {'missed' if missed else 'met'}")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
