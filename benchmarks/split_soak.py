"""Whether an exchange grows: resident memory of both ends over ten thousand steps.

One node with one cohort, frames of 8 KiB up and 4 KiB down, over TLS between two processes;
every tenth step the connection is broken and must come back. Memory is read after each
tenth of the steps; the first tenth warms both processes up and is not judged.

Run with ``python -m benchmarks.split_soak [--steps 10000]``; returns 1 if either end has
grown by more than a twentieth since the warm-up.
"""

import argparse
import multiprocessing
import time
from multiprocessing.connection import Connection as Pipe

import torch
from rich.console import Console

from benchmarks.exchange_speed import CASES, Case, Mirror
from client_app.profiling import memory
from client_app.split.stream import StreamLink
from server_app.split.session import SplitSession
from strategies.common.run_config import default_config, read_table
from strategies.common.split.plan import TrainingPlan
from strategies.common.split.settings import SplitSettings
from strategies.common.split.wire.frames import Gradients
from tests.split_proxy import proxied

GROWTH = 0.05
_CUT_EVERY = 10
_PARTS = 10
_MIB = 2**20


def main() -> int:
    """Exchange, print and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10_000)
    steps = parser.parse_args().steps
    torch.set_num_threads(1)
    case = CASES[0]
    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, case, steps))
    process.start()
    invitation = pipe.recv()
    console = Console()
    sizes: list[tuple[int, int]] = []
    started = time.monotonic()
    with proxied(invitation.address) as proxy:
        link = StreamLink(invitation.model_copy(update={"address": proxy.address}), 0)
        lane = link.lane(0, case.spec())
        for step in range(1, steps + 1):
            lane.send(step, case.tensors())
            if step % _CUT_EVERY == 0:
                proxy.cut()
            answer = lane.receive()
            if not isinstance(answer, Gradients) or answer.step != step:
                raise RuntimeError(f"step {step}: expected its gradient, got {answer}")
            if step % (steps // _PARTS) == 0:
                pipe.send("size")
                sizes.append((memory.resident_bytes(), pipe.recv()))
                own, other = (size / _MIB for size in sizes[-1])
                console.print(f"step {step}: device {own:.1f} MiB, server {other:.1f} MiB")
        link.close()
        console.print(
            f"{steps} steps, {proxy.accepted - 1} broken connections, "
            f"{time.monotonic() - started:.0f} s"
        )
    pipe.send("done")
    process.join()
    grown = [last / first - 1 for first, last in zip(sizes[0], sizes[-1], strict=True)]
    console.print(f"growth since the warm-up: device {grown[0]:+.1%}, server {grown[1]:+.1%}")
    return 1 if max(grown) > GROWTH else 0


def _serve(pipe: Pipe, case: Case, steps: int) -> None:
    torch.set_num_threads(1)
    settings = read_table(default_config(), "split", SplitSettings)
    plan = TrainingPlan(1, steps, case.batch, ((0,),))
    with SplitSession(Mirror(), plan, case.spec, {0: ((0,),)}, settings, 1) as session:
        pipe.send(session.invitation(0))
        while pipe.recv() == "size":
            pipe.send(memory.resident_bytes())


if __name__ == "__main__":
    raise SystemExit(main())
