"""What preparing a round costs where one payload goes to all clients, against encoding it once.

A server half broadcasts a model of 44 MB (11 million float32) to twenty clients; the messages
are built as a run builds them and handed to a grid that throws them away. Medians of
repetitions that take turns, CPU seconds, and their ratio; the target is 1.5.

Run with ``python -m benchmarks.broadcast_cost [--clients 20] [--megabytes 44]``.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, final
from unittest.mock import Mock

import torch
from flwr.app import Message
from flwr.serverapp import Grid
from flwr.supercore.task_identity import TaskIdentity
from rich.console import Console
from torch import nn

from server_app.client import Client
from server_app.messenger import Messenger, RoundInProgress
from server_app.round_context import RoundContext
from strategies.common.agreed import Agreed
from strategies.common.inputs import Images
from strategies.common.message import MessageServer, NoState
from strategies.common.payload import payload
from strategies.common.payloads import Weights
from strategies.common.provided import Provided
from strategies.common.round import Aggregated, Phase, Reply
from strategies.common.run_config import default_config, read_run
from strategies.common.task import Task
from strategies.common.transport.control import Description
from strategies.common.wire import encode
from strategies.local.settings import LocalSettings

TARGET = 1.5
_SIDE = 1000


@final
@payload("benchmark.model", version=1)
class _Model(Weights):
    @classmethod
    def part(cls, agreed: Agreed) -> nn.Module:
        return nn.Linear(_SIDE, agreed.task.feature_dim, bias=False)


@final
class _Broadcaster(MessageServer[LocalSettings, NoState, _Model, _Model]):
    wire = Phase(down=_Model)

    def __init__(self, settings: LocalSettings, provided: Provided, parameters: int) -> None:
        super().__init__(settings, provided)
        self.model = _Model(torch.randn(parameters))

    def broadcast(self, state: NoState) -> _Model:  # noqa: ARG002
        return self.model

    def aggregate(
        self, state: NoState, round_number: int, replies: Sequence[Reply[_Model]]
    ) -> Aggregated:
        raise NotImplementedError


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--megabytes", type=int, default=44)
    parser.add_argument("--repetitions", type=int, default=9)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 1, 1
    run = read_run({**default_config(), "round-deadline-s": 1.0})
    width = chosen.megabytes * 1_000_000 // 4 // _SIDE
    provided = Provided(run, LocalSettings(), torch.device("cpu"), {})
    task = Task(10, Images(3, 32, 32), width)
    provided.agree(task)
    half = _Broadcaster(LocalSettings(), provided, width * _SIDE)
    clients = {number: Client(number, _described(number)) for number in range(chosen.clients)}

    def prepare() -> None:
        grid = Mock(spec=Grid)
        grid.push_messages.side_effect = _thrown_away
        messenger = Messenger(grid, half, run, "benchmark", lambda *_: None)
        context = RoundContext(1, clients, NoState(), task, {})
        messenger.ask(RoundInProgress(context, lambda _: None), clients, "train")

    encoding, preparing = [], []
    for _ in range(chosen.repetitions):
        encoding.append(_cpu_s(lambda: encode(half.model, run.wire_dtype)))
        preparing.append(_cpu_s(prepare))
    once, whole = statistics.median(encoding), statistics.median(preparing)
    Console().print(
        f"encoding {chosen.megabytes} MB once: {1000 * once:.0f} ms; preparing a round of "
        f"{chosen.clients} clients: {1000 * whole:.0f} ms; ratio {whole / once:.2f} "
        f"(target {TARGET})"
    )


def _thrown_away(messages: Iterable[Message]) -> list[None]:
    return [None for _ in messages]


def _described(partition: int) -> Any:
    return Description.model_construct(partition=partition, model="none")


def _cpu_s(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    main()
