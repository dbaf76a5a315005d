"""The device half: what it keeps, what it sends, what it refuses."""

import pytest
import torch
from torch import nn

from strategies.common.errors import StoreError, WireError
from strategies.common.split.plan import SurveyPlan
from strategies.common.wire import decode, encode
from strategies.splitfed.members import SplitFedState
from strategies.splitfed.network import split_classifier
from strategies.splitfed.wire import SplitFedAverage
from tests.strategies.splitfed.small_run import Settings, start, tiny_clients


def test_uplink_rows_are_clients_whatever_their_cohorts(run_settings: Settings) -> None:
    clients = tiny_clients(run_settings, 3, sizes=(4, 6, 9))
    run = start(clients, cohorts=2, steps_per_round=2)
    uplink = run.exchange(1)[0].uplink
    assert uplink is not None
    assert uplink.clients.tolist() == [0, 1, 2]
    assert uplink.samples.tolist() == [4, 6, 9]
    # Each row is what the client sends when it is alone on its node.
    apart = start(clients, carried=1, cohorts=2, steps_per_round=2)
    for client, reply in apart.exchange(1).items():
        assert reply.uplink is not None
        assert torch.equal(reply.uplink.models[0], uplink.models[client])


def test_momentum_stays_on_the_device_client_by_client(run_settings: Settings) -> None:
    run = start(tiny_clients(run_settings, 4, participation=0.5), cohorts=2, steps_per_round=2)
    pool = list(run.server.plan(run.state, 1, [0]).pool)
    rest = [client for client in range(4) if client not in pool]
    run.play(1)
    velocity = run.states[0].velocity
    assert velocity is not None
    assert bool(velocity[pool].any(dim=1).all())
    assert not bool(velocity[rest].any())
    before = velocity.clone()
    second = next(n for n in range(2, 99) if run.server.plan(run.state, n, [0]).pool != tuple(pool))
    stay = sorted(set(range(4)) - set(run.server.plan(run.state, second, [0]).pool))
    run.play(second)
    assert run.states[0].velocity is not None
    assert torch.equal(run.states[0].velocity[stay], before[stay])


def test_the_step_size_is_the_runs(run_settings: Settings) -> None:
    moved = []
    for rate in (0.1, 0.2):
        clients = tiny_clients(run_settings, 1, learning_rate=rate)
        run = start(clients, steps_per_round=1)
        uplink = run.exchange(1)[0].uplink
        assert uplink is not None
        moved.append(uplink.models[0] - run.state.front)
    torch.testing.assert_close(moved[1], 2 * moved[0], atol=1e-7, rtol=1e-3)


def test_it_reports_what_it_met(run_settings: Settings) -> None:
    run = start(tiny_clients(run_settings, 2), cohorts=2, steps_per_round=3)
    reply = run.exchange(1)[0]
    assert reply.figures == {"steps": 6.0, "skipped_steps": 0.0}
    assert set(reply.losses) == {"gradient_norm"}
    assert reply.losses["gradient_norm"] > 0
    late = start(tiny_clients(run_settings, 2), steps_per_round=1)
    reply = late.exchange(1, [(1, 0, 0)])[0]
    assert reply.losses == {}
    assert reply.uplink is not None
    assert torch.equal(reply.uplink.models[0], late.state.front)


@pytest.mark.parametrize("kind", ["train", "evaluate"])
def test_a_message_without_the_right_model_is_refused(kind: str, run_settings: Settings) -> None:
    run = start(tiny_clients(run_settings, 1, rounds=1), steps_per_round=1)
    plan = SurveyPlan((0,)) if kind == "evaluate" else run.server.plan(run.state, 1, [0])
    device = run.node(run.hub(run.server.engine(run.state, plan), plan), 0, 1)
    call = getattr(run.client, kind)
    with pytest.raises(WireError, match=r"expected a payload splitfed\.averaged-model, got none"):
        call(device, SplitFedState(), None)


def test_a_model_of_another_network_is_refused(run_settings: Settings) -> None:
    run = start(tiny_clients(run_settings, 1), steps_per_round=1)
    blob = encode(SplitFedAverage(torch.zeros(5)), run.run.wire_dtype)
    with pytest.raises(WireError, match=r"model: expected \(parameters=348\), got \(5,\)"):
        decode(SplitFedAverage, blob, run.client.agreed, sender="server")


def test_a_state_of_other_clients_is_refused(run_settings: Settings) -> None:
    run = start(tiny_clients(run_settings, 2), steps_per_round=1)
    run.states[0] = SplitFedState(torch.zeros(3, 348))
    with pytest.raises(StoreError, match=r"expected momentum buffers \(2, 348\), got \(3, 348\)"):
        run.exchange(1)


def test_it_evaluates_only_who_is_asked(run_settings: Settings) -> None:
    run = start(tiny_clients(run_settings, 3, rounds=1), steps_per_round=1)
    plan = SurveyPlan((0, 2))
    engine = run.server.engine(run.state, plan)
    device = run.node(run.hub(engine, plan), 0, 1)
    run.client.evaluate(device, run.states[0], run.server.broadcast(run.state))
    assessment = run.server.assess(run.state, 1, engine)
    assert assessment.test_samples == {0: 6, 2: 6}


def test_the_survey_tests_the_averaged_network(run_settings: Settings) -> None:
    run = start(tiny_clients(run_settings, 2, rounds=1), carried=1, steps_per_round=2)
    run.play(1)
    found = run.survey(1)
    assert found is not None
    # Put together again, the two halves' parts are one network.
    parts = split_classifier(run.split, run.clients[0].task, run.run.seed)
    nn.utils.vector_to_parameters(run.state.front, parts.front.parameters())
    whole = nn.Sequential(parts.front, run.state.back)
    for number, client in enumerate(run.clients):
        with torch.no_grad():
            scores = whole(client.test_inputs)
        loss = nn.functional.cross_entropy(scores, client.test_labels).item()
        assert found.evaluations[number].loss == pytest.approx(loss, rel=1e-5)
        assert found.evaluations[number].correct == int(
            (scores.argmax(1) == client.test_labels).sum()
        )
