"""What a node needs to take part in a session."""

from typing import Any

import pytest

from strategies.common.errors import WireError
from strategies.common.split.plan import SurveyPlan, TrainingPlan, deal_cohorts
from strategies.common.split.wire.invitation import Invitation
from strategies.common.transport.control import read_control


def values(**changes: Any) -> dict[str, Any]:
    known = {
        "address": "127.0.0.1:9",
        "certificate": b"pem",
        "token": b"t" * 32,
        "partition": 1,
        "first_step": 51,
        "steps": 50,
        "batch": 5,
        "pool": [0, 2, 3, 5],
        "cohorts": [0, 1, 0, 1],
        "step_deadline_s": 10.0,
        "connect_deadline_s": 30.0,
    }
    return known | changes


def test_an_invitation_carries_the_plan() -> None:
    read = read_control(Invitation, values(), "server")
    assert read.plan() == TrainingPlan(51, 50, 5, ((0, 3), (2, 5)))
    assert read_control(Invitation, dict(read.to_values()), "server") == read


def test_an_invitation_without_steps_is_one_to_a_survey() -> None:
    read = read_control(Invitation, values(steps=0, cohorts=[0, 0, 0, 0]), "server")
    assert read.plan() == SurveyPlan((0, 2, 3, 5))


@pytest.mark.parametrize(
    "bad",
    [
        {"cohorts": [0, 1, 0]},
        {"cohorts": [0, 1, 0, 4]},
        {"cohorts": [0, 1, 0, 2**60]},
        {"cohorts": [0, 1, 0, -1]},
        {"pool": [0, 2, 3, 5, 6]},
        {"token": b"short"},
        {"steps": -1},
        {"first_step": 0},
        {"step_deadline_s": 0.0},
        {"step_deadline_s": float("inf")},
        {"surprise": 1},
    ],
)
def test_a_bad_invitation_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(WireError, match=r"server: invitation\."):
        read_control(Invitation, values(**bad), "server")


def test_cohorts_are_dealt_in_turn_so_that_every_node_sits_in_all() -> None:
    assert deal_cohorts((5, 0, 3, 2), 2) == ((0, 3), (2, 5))
    assert deal_cohorts((4,), 2) == ((4,),)
    plan = TrainingPlan(1, 1, 1, deal_cohorts(tuple(range(6)), 2))
    assert plan.pool == (0, 1, 2, 3, 4, 5)
    assert plan.seats(0, 3) == ((0, 2), (1,))
    assert plan.seats(1, 3) == ((4,), (3, 5))
    assert plan.seats(5, 1) == ((), (5,))
