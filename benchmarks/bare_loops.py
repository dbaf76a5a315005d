"""Plain PyTorch loops of the same clients, in as many processes at once as there are workers."""

import multiprocessing
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self, final

import torch
from torch import Tensor
from torch.nn import functional

from client_app.devices.message_device import LocalDevice
from client_app.node import read_node
from strategies.common.model import FeatureModel
from strategies.common.run_config import default_config, read_run
from strategies.common.samples import ordered_batches, prepare, shuffled_batches
from strategies.common.training import EVALUATION_BATCH

Settings = Mapping[str, bool | int | float | str]
# Allocator and kernels have then seen every shape, as those of a worker have.
_WARM_UP_BATCHES = 3


@final
@dataclass(frozen=True)
class LoopTime:
    """What the loops of all clients cost in sum.

    Attributes
    ----------
    wall, cpu : float
        Seconds.
    """

    wall: float
    cpu: float


@final
class BareLoops:
    """Processes that play an epoch and an evaluation of each client.

    Parameters
    ----------
    clients, workers : int
        How many clients there are, and how many of them are at work at once.
    settings : Settings
        Of the run, with the folder where its data were prepared.
    """

    def __init__(self, clients: int, workers: int, settings: Settings) -> None:
        self._clients = clients
        self._settings = dict(settings)
        self._took = dict.fromkeys(range(clients), 0.0)
        context = multiprocessing.get_context("spawn")
        imported = context.Barrier(workers + 1)
        self._pool = context.Pool(workers, imported.wait)
        # Whatever is timed next is not to share the machine with imports.
        imported.wait()

    def __enter__(self) -> Self:
        """Return the loops."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the processes."""
        self._pool.terminate()
        self._pool.join()

    def play(self) -> LoopTime:
        """Play the loops of all clients once."""
        # Longest first, as the engine does: a loop that runs alone at the end is a faster one.
        order = sorted(range(self._clients), key=self._took.__getitem__, reverse=True)
        jobs = [(client, self._clients, self._settings) for client in order]
        found = self._pool.starmap(bare_loop, jobs, chunksize=1)
        self._took = {client: loop.wall for client, loop in zip(order, found, strict=True)}
        return LoopTime(sum(loop.wall for loop in found), sum(loop.cpu for loop in found))


def bare_loop(partition: int, clients: int, settings: Settings) -> LoopTime:
    """Time one client's plain training epoch and evaluation; data and model are ready before."""
    torch.set_num_threads(1)
    run = read_run({**default_config(), **settings})
    node = read_node({"partition-id": partition, "num-partitions": clients})
    device = LocalDevice(node, run, round_number=1)
    model, train, test = device.build_model(), device.train, device.test
    optimiser = torch.optim.SGD(model.parameters(), run.learning_rate)
    batches = list(shuffled_batches(len(train), run.batch_size, device.generator("batches")))
    for part in (batches[:_WARM_UP_BATCHES], batches):
        started, used = time.perf_counter(), time.process_time()
        model.train()
        for index in part:
            loss = functional.cross_entropy(
                model(prepare(train.inputs[index])), train.labels[index]
            )
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        _evaluate(model, test.inputs)
    return LoopTime(time.perf_counter() - started, time.process_time() - used)


@torch.no_grad()
def _evaluate(model: FeatureModel, inputs: Tensor) -> None:
    model.eval()
    for part in ordered_batches(len(inputs), EVALUATION_BATCH):
        model(prepare(inputs[part])).argmax(1)
