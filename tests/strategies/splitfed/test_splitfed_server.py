"""The server half: pools, refusals, averages over exactly those who replied, checkpoints."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from strategies.common.errors import WireError
from strategies.common.magnitudes import SLACK, too_large
from strategies.common.round import Reply, Trained
from strategies.common.split.plan import SurveyPlan
from strategies.common.transport.state import load_tensors, to_tensors
from strategies.common.wire import decode, encode
from strategies.splitfed.wire import SplitFedModels
from tests.strategies.splitfed.small_run import (
    Settings,
    SmallRun,
    start,
    tiny_clients,
)


def flat(module: torch.nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])


def test_the_pool_is_drawn_anew_from_the_nodes_that_are_there(run_settings: Settings) -> None:
    clients = tiny_clients(run_settings, 6, participation=0.5)
    run = start(clients, carried=2, cohorts=2)
    plans = [run.server.plan(run.state, number, [0, 2]) for number in range(1, 30)]
    assert all(len(plan.pool) == 2 for plan in plans)
    # Clients 2 and 3 live on node 1, which is away.
    assert {client for plan in plans for client in plan.pool} == {0, 1, 4, 5}
    assert len({plan.pool for plan in plans}) > 3
    assert plans[0] == run.server.plan(run.state, 1, [0, 2])
    assert all(len(plan.cohorts) == 2 for plan in plans)


def test_a_round_is_one_pass_over_the_largest_client_once_it_is_known(
    run_settings: Settings,
) -> None:
    run = start(tiny_clients(run_settings, 3, sizes=(4, 9, 6)), steps_per_round=0)
    first = run.server.plan(run.state, 1, [0])
    assert (first.first_step, first.steps, first.batch) == (1, 1, 2)
    run.play(1)
    second = run.server.plan(run.state, 2, [0])
    assert (second.first_step, second.steps) == (2, 4)


def test_a_client_that_claims_many_samples_makes_no_round_endless(run_settings: Settings) -> None:
    run = start(tiny_clients(run_settings, 3), carried=1, steps_per_round=0)
    sent = run.exchange(1)
    claimed = sent[2].uplink
    assert claimed is not None
    run.aggregate(1, sent | {2: Trained(replace(claimed, samples=torch.tensor([10**12])), {})})
    # Twenty times the six samples of the others, two to a step.
    assert run.server.plan(run.state, 2, [0, 1, 2]).steps == 60


def test_more_samples_than_the_node_has_are_refused(run_settings: Settings) -> None:
    run = start(tiny_clients(run_settings, 2))
    sent = run.exchange(1)[0].uplink
    assert sent is not None
    with pytest.raises(WireError, match=r"samples: expected at most train_samples=11 together, "):
        run.server.check(run.state, run.current, Reply(0, 11, sent))


def test_it_evaluates_every_so_many_rounds_and_at_the_end(run_settings: Settings) -> None:
    clients = tiny_clients(run_settings, 4, evaluate_every=3, rounds=7)
    run = start(clients, carried=2)
    asked = {n: run.server.survey_plan(n, [0, 1]) for n in range(1, 8)}
    assert [number for number, plan in asked.items() if plan is not None] == [3, 6, 7]
    assert asked[7] == SurveyPlan((0, 1, 2, 3))
    never = start(tiny_clients(run_settings, 1, evaluate_every=0, rounds=2))
    assert never.server.survey_plan(1, [0]) is None
    assert never.server.survey_plan(2, [0]) is not None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"clients": torch.tensor([0, 2])}, r"clients: expected \[0, 1\], got \[0, 2\]"),
        ({"clients": torch.tensor([0, 0])}, r"expected \[0, 1\], got \[0, 0\]"),
        (
            {"models": torch.zeros(2, 7)},
            r"models: expected \(clients=2, parameters=348\), got \(2, 7\)",
        ),
        ({"samples": torch.tensor([6, 0])}, r"samples: expected at least 1, got 0"),
    ],
)
def test_what_does_not_fit_the_round_is_refused(
    change: dict[str, Tensor], told: str, run_settings: Settings
) -> None:
    run = start(tiny_clients(run_settings, 4), carried=2, steps_per_round=1)
    uplink = run.exchange(1)[0].uplink
    assert uplink is not None

    def taken_in(sent: SplitFedModels) -> None:
        blob = encode(sent, run.run.wire_dtype)
        read = decode(SplitFedModels, blob, run.server.agreed, sender="client 0")
        run.server.check(run.state, run.current, run.reply(0, read))

    taken_in(uplink)
    with pytest.raises(WireError, match=told):
        taken_in(replace(uplink, **change))


def test_exactly_those_who_replied_are_averaged_by_data_size(run_settings: Settings) -> None:
    run = start(tiny_clients(run_settings, 3, sizes=(4, 6, 9)), carried=1, steps_per_round=2)
    replies = run.exchange(1)
    uplinks = [replies[node].uplink for node in range(3)]
    # Node 0 is lost after the exchange: neither its front nor its copy may count.
    run.aggregate(1, {node: replies[node] for node in (1, 2)})
    fronts = [uplink.models[0].double() for uplink in uplinks if uplink]
    torch.testing.assert_close(
        run.state.front, ((6 * fronts[1] + 9 * fronts[2]) / 15).float(), atol=1e-7, rtol=1e-6
    )
    # The copies of clients 1 and 2 are those of a run in which there is nobody else.
    others = start(tiny_clients(run_settings, 3, sizes=(4, 6, 9)), carried=1, steps_per_round=2)
    late = [(step, 0, 0) for step in (1, 2)]
    replies = others.exchange(1, late)
    others.aggregate(1, {node: replies[node] for node in (1, 2)})
    assert torch.equal(flat(run.state.back), flat(others.state.back))
    assert torch.equal(run.state.velocity, others.state.velocity)
    assert int(run.state.largest) == 9
    assert run.said[0].diagnostics["clients"] == 2


def test_without_a_reply_all_stays_as_it_is(run_settings: Settings) -> None:
    run = start(tiny_clients(run_settings, 2), steps_per_round=1)
    before = to_tensors(run.state)
    run.exchange(1)
    run.aggregate(1, {})
    assert run.said[0].notes == ("splitfed: no client sent its model: nothing was averaged",)
    after = to_tensors(run.state)
    assert int(after.pop("step")) == 1
    assert all(torch.equal(before[name], after[name]) for name in after)


def test_a_round_that_fails_leaves_no_trace(run_settings: Settings) -> None:
    # The second try starts from the last synchronisation, whatever the first one got to.
    once, twice = (start(tiny_clients(run_settings, 2), steps_per_round=2) for _ in range(2))
    twice.exchange(1)
    for state in twice.states:
        state.velocity = None
    for run in (once, twice):
        run.play(1)
    assert torch.equal(once.state.front, twice.state.front)
    assert torch.equal(flat(once.state.back), flat(twice.state.back))


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_resumed_run_goes_on_as_if_nothing_had_been(version: str, run_settings: Settings) -> None:
    whole = start(tiny_clients(run_settings, 2), version=version, steps_per_round=2)
    whole.play(1)
    saved = to_tensors(whole.state)
    resumed = start(tiny_clients(run_settings, 2), version=version, steps_per_round=2)
    load_tensors(resumed.state, saved)
    for state, stored in zip(resumed.states, whole.states, strict=True):
        load_tensors(state, to_tensors(stored))
    for run in (whole, resumed):
        run.play(2)
    assert torch.equal(whole.state.front, resumed.state.front)
    assert torch.equal(flat(whole.state.back), flat(resumed.state.back))
    assert int(resumed.state.step) == 4


def test_all_nodes_get_the_same_model(run_settings: Settings) -> None:
    run = start(tiny_clients(run_settings, 2), steps_per_round=1)
    first = run.server.broadcast(run.state)
    assert [run.server.personal(run.state, node) for node in (0, 1)] == [None, None]
    run.play(1)
    assert torch.equal(run.server.broadcast(run.state).model, run.state.front)
    assert not torch.equal(first.model, run.state.front)


def test_silence_in_an_evaluation_is_told(run_settings: Settings) -> None:
    run = start(tiny_clients(run_settings, 1, rounds=1))
    plan = run.server.survey_plan(1, [0])
    assert plan is not None
    assessment = run.server.assess(run.state, 1, run.server.engine(run.state, plan))
    assert assessment.evaluations == {}
    assert "no client sent samples" in assessment.said.notes[0]


def test_a_whole_node_may_be_absent(run_settings: Settings) -> None:
    run: SmallRun = start(tiny_clients(run_settings, 4, participation=0.5), carried=2)
    # Some round's pool lies on one node alone.
    number = next(n for n in range(1, 50) if run.server.plan(run.state, n, [0, 1]).pool == (2, 3))
    replies: dict[int, Trained[SplitFedModels]] = run.play(number)
    assert list(replies) == [1]
    assert run.said[0].diagnostics["clients"] == 2


@pytest.mark.parametrize("seed", range(3))
def test_a_client_that_meets_a_server_part_which_others_threw_off_is_honest(
    seed: int, run_settings: Settings
) -> None:
    clients = tiny_clients(run_settings, 6, seed=seed, batch_size=4)
    run = start(clients, carried=2, version="v2", steps_per_round=3)
    sent = {n: Reply(n, 12, r.uplink) for n, r in run.exchange(1).items() if r.uplink}
    sizes = {node: run.server.magnitudes(run.state, reply) for node, reply in sent.items()}
    samples = dict.fromkeys(sizes, 12)
    assert too_large(sizes, samples) == {}
    strict = {n: {f: replace(s, slack=SLACK) for f, s in own.items()} for n, own in sizes.items()}
    assert too_large(strict, samples) != {}
    models = replace(sent[1].uplink, models=sent[1].uplink.models * 10)
    loud = replace(sent[1], uplink=models)
    assert 1 in too_large(sizes | {1: run.server.magnitudes(run.state, loud)}, samples)
