"""A stream without transport: nodes call an engine directly, in turns as a server takes them.

One node that carries all clients needs no threads. Several nodes wait for each other and
run in threads (:func:`run_nodes`).
"""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar, final

import torch
from torch import Tensor

from strategies.common.errors import ExchangeError, WireError
from strategies.common.samples import Samples
from strategies.common.settings import RunSettings
from strategies.common.split.engine import Engine
from strategies.common.split.plan import Plan, SurveyPlan
from strategies.common.split.wire.frames import FrameSpec, Gradients, Skipped, Split, Survey
from strategies.common.task import Task
from tests.strategies.fake_device import FakeDevice

# Longer than any test; bounds what a bug can cost.
PATIENCE_S = 60.0

Result = TypeVar("Result")
Seat = tuple[int, int]


@final
class FakeHub:
    """The server's side of a session.

    Parameters
    ----------
    engine : Engine
        Learns; its calls come in the order of the plan and never at the same time.
    plan : Plan
        The session.
    specs : Callable[[tuple[int, ...]], FrameSpec]
        What the frames of some clients hold.
    seats : Mapping[int, tuple[tuple[int, ...], ...]]
        Clients of each node by cohort (``plan.seats``), by partition.
    late : Collection[tuple[int, int, int]]
        (step, cohort, partition) of frames that come too late: the step takes place
        without them, and the node is told so.
    """

    def __init__(
        self,
        engine: Engine,
        plan: Plan,
        specs: Callable[[tuple[int, ...]], FrameSpec],
        seats: Mapping[int, tuple[tuple[int, ...], ...]],
        late: Collection[tuple[int, int, int]] = (),
    ) -> None:
        self.engine = engine
        self.plan = plan
        self.late = frozenset(late)
        self._specs = specs
        self._seats = seats
        cohorts = range(len(plan.cohorts))
        self._turns = [(step, cohort) for step in plan.step_numbers for cohort in cohorts]
        self._arrived: dict[Seat, tuple[Tensor, ...]] = {}
        self._answers: dict[Seat, Gradients | Skipped] = {}
        self._failure: BaseException | None = None
        self._changed = threading.Condition()

    def link(self, partition: int) -> "FakeLink":
        """Return one node's link."""
        return FakeLink(self, partition)

    def clients(self, cohort: int, partition: int) -> tuple[int, ...]:
        """Return the clients that one node has in one cohort."""
        return self._seats[partition][cohort]

    def put(self, cohort: int, partition: int, step: int, tensors: tuple[Tensor, ...]) -> None:
        """Take in a frame, and let all turns take place that it completes."""
        with self._changed:
            if (step, cohort, partition) in self.late:
                following = step + 1
                while (following, cohort, partition) in self.late:
                    following += 1
                self._answers[cohort, partition] = Skipped(step, following)
            else:
                self._arrived[cohort, partition] = tensors
            try:
                self._advance()
            except BaseException as error:
                self._failure = error
                raise
            finally:
                self._changed.notify_all()

    def take(self, cohort: int, partition: int) -> Gradients | Skipped:
        """Wait for an answer."""
        seat = cohort, partition
        with self._changed:
            ready = self._changed.wait_for(
                lambda: seat in self._answers or self._failure is not None, PATIENCE_S
            )
            if not ready or seat not in self._answers:
                raise ExchangeError(f"cohort {cohort}, node {partition}: no answer")
            return self._answers.pop(seat)

    def _advance(self) -> None:
        while self._turns:
            step, cohort = self._turns[0]
            expected = [
                partition
                for partition in sorted(self._seats)
                if self._seats[partition][cohort] and (step, cohort, partition) not in self.late
            ]
            if any((cohort, partition) not in self._arrived for partition in expected):
                return
            del self._turns[0]
            self._fire(step, cohort, expected)
            if not self._turns or self._turns[0][0] != step:
                self.engine.finish(step)

    def _fire(self, step: int, cohort: int, partitions: list[int]) -> None:
        arrived: dict[int, tuple[Tensor, ...]] = {}
        for partition in partitions:
            tensors = self._arrived.pop((cohort, partition))
            for row, client in enumerate(self._seats[partition][cohort]):
                arrived[client] = tuple(tensor[row] for tensor in tensors)
        gradients = self.engine.advance(step, cohort, dict(sorted(arrived.items())))
        for partition in partitions:
            clients = self._seats[partition][cohort]
            own = [gradients[client] for client in clients if client in gradients]
            returns = self._specs(clients).returns_gradient
            assert len(own) == (len(clients) if returns else 0)
            gradient = torch.stack(own) if returns else None
            self._answers[cohort, partition] = Gradients(step, gradient)

    def spec(self, cohort: int, partition: int) -> FrameSpec:
        """Return what one node's frames of one cohort must hold."""
        return self._specs(self._seats[partition][cohort])


@final
@dataclass(frozen=True)
class FakeLane:
    """One cohort's exchange of one node; satisfies ``link.Lane``."""

    hub: FakeHub
    cohort: int
    partition: int
    spec: FrameSpec

    def send(self, step: int, tensors: tuple[Tensor, ...]) -> None:
        """Hand over a step's activations, as strictly as a stream would."""
        assert len(tensors) == len(self.spec.tensors)
        for tensor, spec in zip(tensors, self.spec.tensors, strict=True):
            expected = (len(self.spec.clients), self.spec.batch, *spec.shape)
            assert tensor.shape == expected, f"{spec.name}: {tuple(tensor.shape)} != {expected}"
            assert not tensor.requires_grad
            if spec.kind == "labels":
                assert tensor.dtype == torch.int64
                fits = (tensor >= 0) & (tensor < spec.bound)
            else:
                assert tensor.dtype == torch.float32
                fits = tensor.abs() <= spec.bound  # False for NaN
            if not bool(fits.all()):
                raise WireError(f"{spec.name}: out of bounds")
        copies = tuple(tensor.clone() for tensor in tensors)
        self.hub.put(self.cohort, self.partition, step, copies)

    def receive(self) -> Gradients | Skipped:
        """Wait for the answer to the frame sent last."""
        return self.hub.take(self.cohort, self.partition)


@final
@dataclass(frozen=True)
class FakeLink:
    """How one node reaches the hub; satisfies ``link.Link``."""

    hub: FakeHub
    partition: int

    @property
    def plan(self) -> Plan:
        """The session."""
        return self.hub.plan

    def lane(self, cohort: int, spec: FrameSpec) -> FakeLane:
        """Open one cohort's exchange; both ends must mean the same frames."""
        assert spec.clients
        assert spec.digest() == self.hub.spec(cohort, self.partition).digest()
        return FakeLane(self.hub, cohort, self.partition, spec)

    def survey(self, client: int, split: Split, activations: Tensor, labels: Tensor) -> None:
        """Send samples for the evaluation."""
        assert isinstance(self.plan, SurveyPlan)
        assert not activations.requires_grad
        assert activations.dtype == torch.float32
        assert len(activations) == len(labels)
        self.hub.engine.survey(Survey(client, split, activations, labels))

    def close(self) -> None:
        """End the exchange."""


@final
@dataclass(frozen=True)
class FakeNode:
    """A node that carries several clients; satisfies ``strategies.common.device.Device``.

    Attributes
    ----------
    clients : tuple[FakeDevice, ...]
        Logical clients; their ``partition`` is the client's number, their settings are one
        another's.
    link : FakeLink
        Its stream; its partition is the node's.
    """

    clients: tuple[FakeDevice, ...]
    link: FakeLink

    @property
    def partition(self) -> int:
        """Which node this is."""
        return self.link.partition

    @property
    def round_number(self) -> int:
        """Current round."""
        return self.clients[0].round_number

    @property
    def settings(self) -> RunSettings:
        """General settings of the run."""
        return self.clients[0].settings

    @property
    def task(self) -> Task:
        """Shape of the task."""
        return self.clients[0].task

    @property
    def train(self) -> Samples:
        """Samples of the first client."""
        return self.clients[0].train

    @property
    def test(self) -> Samples:
        """Test samples of the first client."""
        return self.clients[0].test

    @property
    def torch_device(self) -> torch.device:
        """Always the CPU."""
        return torch.device("cpu")


def run_nodes(turns: Sequence[Callable[[], Result]]) -> list[Result]:
    """Run nodes at the same time and return their results in order."""
    if len(turns) == 1:
        return [turns[0]()]
    with ThreadPoolExecutor(len(turns)) as pool:
        return [future.result() for future in [pool.submit(turn) for turn in turns]]
