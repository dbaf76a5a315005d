"""A tiny split network whose numbers depend on every frame, its order and its owner."""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import torch
from torch import Tensor

from server_app.split.hub import Hub
from server_app.split.session import SplitSession
from strategies.common.run_config import default_config, read_table
from strategies.common.split.engine import Engine
from strategies.common.split.link import Link
from strategies.common.split.plan import Plan, TrainingPlan, deal_cohorts
from strategies.common.split.settings import SplitSettings
from strategies.common.split.wire.frames import (
    CodecName,
    FrameSpec,
    Gradients,
    Skipped,
    Survey,
    TensorSpec,
)

SHAPE = (2, 3, 3)
CLASSES = 5
Numbers = dict[int, Tensor]


@dataclass
class ToyEngine(Engine):
    """One weight, changed by every cohort in an order-sensitive way."""

    returns_gradient: bool = True
    weight: Tensor = field(default_factory=lambda: torch.tensor(1.0))
    change: Tensor = field(default_factory=lambda: torch.tensor(0.0))
    turns: list[tuple[int, int, tuple[int, ...]]] = field(default_factory=list)
    finished: list[int] = field(default_factory=list)
    surveys: list[Survey] = field(default_factory=list)
    work: Callable[[], None] = lambda: None

    def advance(
        self, step: int, cohort: int, arrived: Mapping[int, tuple[Tensor, ...]]
    ) -> Mapping[int, Tensor]:
        self.turns.append((step, cohort, tuple(arrived)))
        self.work()
        gradients = {}
        for client, (activations, labels) in arrived.items():
            self.change = self.change * 0.9 + (activations.sum() + labels.sum()) * (client + 1)
            gradients[client] = activations * self.weight / 7 + self.change * 1e-3
        return gradients if self.returns_gradient else {}

    def finish(self, step: int) -> None:
        self.finished.append(step)
        self.weight = self.weight - torch.tanh(self.change) / 10

    def survey(self, survey: Survey) -> None:
        self.surveys.append(survey)

    def forget(self, clients: Collection[int]) -> None:
        self.surveys = [survey for survey in self.surveys if survey.client not in clients]


def split_settings(**overrides: object) -> SplitSettings:
    """Build settings of the data plane: the defaults but short deadlines, and overrides."""
    named = {f"split.{key.replace('_', '-')}": value for key, value in overrides.items()}
    quick = {"split.step-deadline-s": 5.0, "split.connect-deadline-s": 5.0}
    return read_table({**default_config(), **quick, **named}, "split", SplitSettings)


@dataclass
class Toy:
    """One session's ingredients: ``nodes`` nodes with two clients each."""

    nodes: int = 3
    cohorts: int = 2
    steps: int = 5
    codec: CodecName = "float32"
    gradient_codec: CodecName = "float32"
    settings: SplitSettings = field(default_factory=split_settings)
    engine: ToyEngine = field(default_factory=ToyEngine)

    @property
    def plan(self) -> Plan:
        cohorts = deal_cohorts(tuple(range(2 * self.nodes)), self.cohorts)
        return TrainingPlan(first_step=11, steps=self.steps, batch=2, cohorts=cohorts)

    def spec(self, clients: tuple[int, ...]) -> FrameSpec:
        tensors = (
            TensorSpec("query", "activations", SHAPE, 100.0),
            TensorSpec("labels", "labels", (), CLASSES),
        )
        returns = self.engine.returns_gradient
        return FrameSpec(clients, 2, tensors, returns, self.codec, self.gradient_codec, CLASSES)

    def seats(self) -> dict[int, tuple[tuple[int, ...], ...]]:
        return {node: self.plan.seats(node, 2) for node in range(self.nodes)}

    def hub(self) -> Hub:
        return Hub(self.engine, self.plan, self.spec, self.seats(), self.settings, 1)

    def session(self) -> SplitSession:
        return SplitSession(self.engine, self.plan, self.spec, self.seats(), self.settings, 1)


def activations(values: Tensor, step: int, clients: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return what a node's clients send in one step, from one number of each."""
    grid = torch.linspace(-1, 1, 36).reshape(2, *SHAPE)
    scales = values.reshape(-1, 1, 1, 1, 1)
    queries = torch.stack([torch.sin(grid * (step + client)) for client in clients]) * scales
    labels = torch.tensor([[(step + client) % CLASSES, client % CLASSES] for client in clients])
    return queries, labels


@dataclass
class Node:
    """One node's side of the toy: a number per client, learnt by the gradients."""

    toy: Toy
    number: int
    values: Numbers = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    before_send: Callable[[int, int], None] = lambda _step, _cohort: None
    before_receive: Callable[[int, int], None] = lambda _step, _cohort: None

    def play(self, link: Link) -> Numbers:
        """Send to all cohorts, then receive from all, step by step."""
        seats = self.toy.plan.seats(self.number, 2)
        lanes = {c: link.lane(c, self.toy.spec(own)) for c, own in enumerate(seats) if own}
        steps = dict.fromkeys(lanes, self.toy.plan.first_step)
        last = self.toy.plan.first_step + self.toy.plan.steps - 1
        while any(step <= last for step in steps.values()):
            for cohort, lane in lanes.items():
                if steps[cohort] <= last:
                    self.before_send(steps[cohort], cohort)
                    lane.send(steps[cohort], self.frame(steps[cohort], seats[cohort]))
            for cohort, lane in lanes.items():
                if steps[cohort] <= last:
                    self.before_receive(steps[cohort], cohort)
                    steps[cohort] = self.learn(lane.receive(), seats[cohort])
        return self.values

    def frame(self, step: int, clients: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        values = [self.values.setdefault(c, torch.tensor(1.0 + c / 10)) for c in clients]
        return activations(torch.stack(values), step, clients)

    def learn(self, answer: Gradients | Skipped, clients: tuple[int, ...]) -> int:
        """Take in an answer and return the step to go on with."""
        if isinstance(answer, Skipped):
            self.skipped.append(answer)
            return answer.next_step
        if answer.gradient is not None:
            for client, gradient in zip(clients, answer.gradient, strict=True):
                self.values[client] = self.values[client] - gradient.mean() / 10
        return answer.step + 1


def play_all(nodes: Sequence[Node], links: Sequence[Link]) -> Numbers:
    """Play all nodes at once and return the numbers of all clients."""
    with ThreadPoolExecutor(len(nodes)) as pool:
        found = [pool.submit(node.play, link) for node, link in zip(nodes, links, strict=True)]
        return {client: value for future in found for client, value in future.result().items()}


def same(left: Numbers, right: Numbers) -> bool:
    """Return whether all numbers agree bitwise."""
    return left.keys() == right.keys() and all(torch.equal(left[c], right[c]) for c in left)
