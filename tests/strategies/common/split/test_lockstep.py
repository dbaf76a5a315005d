"""The device's loop: who is served when, and what a skipped step leaves behind."""

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from strategies.common.errors import ExchangeError
from strategies.common.split.lockstep import Exchanged, run_lanes
from strategies.common.split.members import Members
from strategies.common.split.plan import SurveyPlan, TrainingPlan
from strategies.common.split.wire.frames import Gradients, Skipped

Answer = Gradients | Skipped


@dataclass
class Scripted:
    """Lanes that answer from a script and a client that takes notes."""

    answers: dict[int, list[Answer]]
    said: list[str] = field(default_factory=list)
    graphs: list[weakref.ref[Tensor]] = field(default_factory=list)

    def on_forward(self) -> None:
        """Look at what is alive when a frame is computed."""

    def run(self, first: int, steps: int) -> Exchanged:
        cohorts = sorted(self.answers)
        plan = TrainingPlan(first, steps, 1, tuple((cohort,) for cohort in cohorts))
        lanes = {cohort: ScriptedLane(self, cohort) for cohort in cohorts}
        members = {cohort: ScriptedMembers(self, cohort) for cohort in cohorts}
        return run_lanes(plan, lanes, members)


class ScriptedMembers(Members[tuple[int, int]]):
    def __init__(self, script: Scripted, cohort: int) -> None:
        super().__init__(())
        self.script = script
        self.cohort = cohort

    def prepare(self, step: int) -> tuple[int, int]:
        self.script.said.append(f"prepare {self.cohort}.{step}")
        return self.cohort, step

    def forward(self, batch: tuple[int, int]) -> tuple[Tensor, ...]:
        self.script.on_forward()
        cohort, step = batch
        assert cohort == self.cohort
        weights = torch.ones(1, requires_grad=True)
        activations = weights * step
        self.script.graphs.append(weakref.ref(activations))
        return activations, torch.tensor([cohort])

    def backward(self, step: int, activations: Tensor, gradient: Tensor) -> None:
        assert activations.requires_grad
        assert activations.item() == step
        self.script.said.append(f"learn {self.cohort}.{step} {gradient.item():g}")


@dataclass
class ScriptedLane:
    script: Scripted
    cohort: int

    def send(self, step: int, tensors: tuple[Tensor, ...]) -> None:
        assert [tensor.requires_grad for tensor in tensors] == [False, False]
        assert tensors[0].item() == step
        self.script.said.append(f"send {self.cohort}.{step}")

    def receive(self) -> Answer:
        self.script.said.append(f"receive {self.cohort}")
        return self.script.answers[self.cohort].pop(0)


def gradients(steps: Sequence[int], *, frozen: bool = False) -> list[Answer]:
    return [Gradients(step, None if frozen else torch.tensor([10.0 * step])) for step in steps]


def test_two_cohorts_take_turns_and_prepare_while_answers_travel() -> None:
    script = Scripted({0: gradients((5, 6)), 1: gradients((5, 6))})
    assert script.run(5, 2) == Exchanged(taken=4, skipped=0)
    assert script.said == [
        *("prepare 0.5", "send 0.5", "prepare 1.5", "send 1.5", "prepare 0.6", "prepare 1.6"),
        *("receive 0", "learn 0.5 50", "send 0.6", "receive 1", "learn 1.5 50", "send 1.6"),
        *("receive 0", "learn 0.6 60", "receive 1", "learn 1.6 60"),
    ]


def test_a_skipped_step_is_dropped_and_the_next_one_named_by_the_server() -> None:
    script = Scripted({0: [Skipped(1, 4), *gradients((4,)), Skipped(5, 6)]})
    assert script.run(1, 5) == Exchanged(taken=1, skipped=2)
    assert script.said == [
        *("prepare 0.1", "send 0.1", "prepare 0.2", "receive 0"),
        *("prepare 0.4", "send 0.4", "prepare 0.5", "receive 0", "learn 0.4 40"),
        *("send 0.5", "receive 0"),
    ]


def test_no_graph_outlives_its_step() -> None:
    alive: list[int] = []

    class Counting(Scripted):
        def on_forward(self) -> None:
            alive.append(sum(graph() is not None for graph in self.graphs))

    script = Counting({0: [*gradients((1,)), Skipped(2, 3), *gradients((3,))]})
    script.run(1, 3)
    assert alive == [0, 0, 0]
    assert [graph() for graph in script.graphs] == [None, None, None]


def test_one_cohort_may_be_ahead_of_the_other() -> None:
    script = Scripted({0: [Skipped(1, 3), *gradients((3,))], 1: gradients((1, 2, 3))})
    assert script.run(1, 3) == Exchanged(taken=4, skipped=1)
    assert script.answers == {0: [], 1: []}


def test_frozen_clients_learn_nothing() -> None:
    script = Scripted({0: gradients((1, 2), frozen=True)})
    assert script.run(1, 2) == Exchanged(taken=2, skipped=0)
    assert not [line for line in script.said if line.startswith("learn")]


def test_a_session_may_be_over_early_or_have_no_steps() -> None:
    script = Scripted({0: [Skipped(1, 100)]})
    assert script.run(1, 5) == Exchanged(taken=0, skipped=1)
    script = Scripted({0: []})
    lanes, members = {0: ScriptedLane(script, 0)}, {0: ScriptedMembers(script, 0)}
    assert run_lanes(SurveyPlan((0,)), lanes, members) == Exchanged(taken=0, skipped=0)
    assert script.said == []


@pytest.mark.parametrize("answer", [*gradients((2,)), Skipped(2, 3), Skipped(1, 1)])
def test_an_answer_to_another_step_is_refused(answer: Answer) -> None:
    with pytest.raises(ExchangeError, match="cohort 0: expected an answer to step 1, got one to"):
        Scripted({0: [answer]}).run(1, 3)
