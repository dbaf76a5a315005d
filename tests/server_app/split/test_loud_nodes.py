"""A node whose activations drown the others' is left out of its session, by name."""

from collections.abc import Mapping

import pytest
import torch

from server_app.split.direct import DirectLink
from server_app.split.hub import Hub
from server_app.split.loud import Loud
from server_app.split.turns import Turn
from strategies.common.magnitudes import Size
from strategies.common.split.wire.frames import Activations, Gradients
from tests.server_app.split.toy_session import Toy, activations


def exchange(toy: Toy, scales: list[float]) -> tuple[Hub, list[Gradients]]:
    """Play every step with frames of the nodes' scales; return the answers to the last one."""
    hub = toy.hub()
    links = [DirectLink(hub, node, toy.plan) for node in range(toy.nodes)]
    answers: list[Gradients] = []
    seats = [toy.plan.seats(node, 2) for node in range(toy.nodes)]
    lanes = [
        [link.lane(cohort, toy.spec(own)) for cohort, own in enumerate(cohorts)]
        for link, cohorts in zip(links, seats, strict=True)
    ]
    for step in toy.plan.step_numbers:
        for cohort in range(toy.cohorts):
            for node, scale in enumerate(scales):
                own = seats[node][cohort]
                tensors = activations(torch.full((len(own),), scale), step, own)
                lanes[node][cohort].send(step, tensors)
        received = [[lane.receive() for lane in own] for own in lanes]
        answers = [one for own in received for one in own if isinstance(one, Gradients)]
    return hub, answers


def test_a_loud_node_is_left_out_from_its_first_turn_and_gets_no_gradient() -> None:
    toy = Toy(nodes=4, cohorts=1, steps=3)
    hub, answers = exchange(toy, [1.0, 1.0, 90.0, 1.0])
    assert [turn[2] for turn in toy.engine.turns] == [(0, 1, 2, 3, 6, 7)] * 3
    assert list(hub.refused) == [2]
    assert hub.refused[2].startswith("step 11: activations: expected values of ")
    assert not answers[2].gradient.any()  # type: ignore[union-attr]
    assert answers[0].gradient.any()  # type: ignore[union-attr]
    without = Toy(nodes=4, cohorts=1, steps=3)
    quiet, _ = exchange(without, [1.0, 1.0, 1.0, 1.0])
    assert quiet.refused == {}


@pytest.mark.parametrize("scale", [90.0, -90.0])
def test_cohorts_are_compared_with_each_other(scale: float) -> None:
    toy = Toy(nodes=3, cohorts=2, steps=2)
    hub, _ = exchange(toy, [1.0, scale, 1.0])
    assert list(hub.refused) == [1]


def test_two_nodes_cannot_tell_who_is_loud() -> None:
    toy = Toy(nodes=2, cohorts=1, steps=2)
    hub, _ = exchange(toy, [1.0, 90.0])
    assert hub.refused == {}


BEFORE = {node: Size((0.7,)) for node in range(4)}


def first_turn(before: Mapping[int, Size], scales: list[float]) -> list[int]:
    """Return who is refused when one cohort's nodes send frames of some scales at once."""
    toy = Toy(nodes=len(scales), cohorts=1)
    clients = {node: (2 * node, 2 * node + 1) for node in range(len(scales))}
    arrived = {
        node: Activations(11, activations(torch.full((2,), scale), 11, clients[node]))
        for node, scale in enumerate(scales)
    }
    loud = Loud(before)
    hub = toy.hub()
    loud.left_out(Turn(11, 0, arrived, True), {node: hub.lanes[node, 0] for node in arrived})
    return sorted(loud.refused)


@pytest.mark.parametrize(("scales", "refused"), [([1.0, 90.0], [1]), ([1.0, 90.0, 90.0], [1, 2])])
def test_what_nodes_sent_in_the_session_before_counts_where_this_one_cannot_tell(
    scales: list[float], refused: list[int]
) -> None:
    assert first_turn({}, scales) == []
    assert first_turn(BEFORE, scales) == refused


def test_a_model_that_has_changed_since_is_nobodys_fault() -> None:
    assert first_turn(BEFORE, [90.0, 90.0]) == first_turn(BEFORE, [90.0, 95.0, 91.0]) == []


def test_a_session_tells_what_was_sent_last() -> None:
    hub, _ = exchange(Toy(nodes=3, cohorts=2, steps=2), [1.0, 2.0, 4.0])
    sizes = [hub.heard[node].largest for node in range(3)]
    assert sizes == pytest.approx([0.7, 1.4, 2.8], rel=0.2)
