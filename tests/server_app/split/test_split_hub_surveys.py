"""Surveys at the hub: parts in any order, no turns and no deadline."""

import pytest
import torch

from server_app.split.direct import DirectLink
from server_app.split.hub import Hub
from server_app.split.lanes import Lane
from server_app.split.refusals import RefusalError
from strategies.common.split.plan import Plan, SurveyPlan
from strategies.common.split.wire.frames import Activations, Survey
from tests.server_app.split.toy_session import (
    Toy,
    ToyEngine,
    activations,
)


def frame(lane: Lane, step: int) -> Activations:
    clients = lane.spec.clients
    return Activations(step, activations(torch.ones(len(clients)), step, clients))


# Turns


def survey_hub() -> tuple[ToyEngine, Hub, Plan]:
    toy = Toy(nodes=2, cohorts=1)
    plan = SurveyPlan(toy.plan.pool)
    hub = Hub(toy.engine, plan, toy.spec, toy.seats(), toy.settings, 1)
    return toy.engine, hub, plan


def test_surveys_arrive_part_by_part_from_any_node() -> None:
    engine, hub, plan = survey_hub()
    links = [DirectLink(hub, node, plan) for node in (0, 1)]
    samples = torch.arange(80 * 18, dtype=torch.float32).reshape(80, 2, 3, 3) / 100
    links[1].survey(2, "test", samples, torch.arange(80) % 5)
    links[0].survey(1, "bank", samples[:3], torch.tensor([0, 1, 2]))
    links[1].survey(3, "test", samples[:0], torch.tensor([], dtype=torch.int64))
    assert [(s.client, s.split, len(s.labels)) for s in engine.surveys] == [
        (2, "test", 64),
        (2, "test", 16),
        (1, "bank", 3),
    ]
    assert torch.equal(torch.cat([s.activations for s in engine.surveys[:2]]), samples)


def test_a_part_that_is_sent_again_is_taken_once() -> None:
    engine, hub, _ = survey_hub()
    part = Survey(0, "bank", torch.zeros(1, 2, 3, 3), torch.tensor([0]))
    lane, stream = hub.open((0, 0), b"")
    hub.survey(lane, stream, 1, part)
    with pytest.raises(RefusalError, match="expected part 2, got part 1"):
        hub.survey(lane, stream, 1, part)
    lane, stream = hub.open((0, 0), b"", lane.session)
    hub.survey(lane, stream, 1, part)
    hub.survey(lane, stream, 2, part)
    assert len(engine.surveys) == 2


def test_surveys_have_no_turns_and_no_deadline() -> None:
    _, hub, _ = survey_hub()
    lane, stream = hub.open((0, 0), b"")
    with pytest.raises(RefusalError, match="expected a survey, got activations"):
        hub.exchange(lane, stream, frame(lane, 11))
    hub.enforce_deadline()
    assert hub.failure is None


# Memory


def test_a_node_may_send_no_more_samples_than_it_described() -> None:
    toy = Toy(nodes=2, cohorts=1)
    plan = SurveyPlan(toy.plan.pool)
    hub = Hub(toy.engine, plan, toy.spec, toy.seats(), toy.settings, 1, most_surveyed={0: 3})
    links = [DirectLink(hub, node, plan) for node in (0, 1)]
    links[0].survey(0, "bank", torch.zeros(2, 2, 3, 3), torch.tensor([0, 1]))
    with pytest.raises(RefusalError, match="survey of at most 3 samples by its description, got 4"):
        links[0].survey(1, "test", torch.zeros(2, 2, 3, 3), torch.tensor([0, 1]))
    links[1].survey(2, "test", torch.zeros(9, 2, 3, 3), torch.zeros(9, dtype=torch.int64))
    assert [len(survey.labels) for survey in toy.engine.surveys] == [2, 9]


def test_a_node_whose_samples_drown_the_others_is_named() -> None:
    toy = Toy(nodes=4, cohorts=1)
    plan = SurveyPlan(toy.plan.pool)
    hub = Hub(toy.engine, plan, toy.spec, toy.seats(), toy.settings, 1)
    for node, scale in enumerate((1.0, 2.0, 90.0, 0.5)):
        samples = torch.full((3, 2, 3, 3), scale)
        labels = torch.tensor([0, 1, 2])
        DirectLink(hub, node, plan).survey(2 * node, "bank", samples, labels)
    loud = hub.surveyed.loud()
    assert list(loud) == [2]
    assert loud[2].startswith("activations: expected values of 8 at most, 8 times what is typical")
