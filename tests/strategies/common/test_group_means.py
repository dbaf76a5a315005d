"""One mean for each architecture, whoever answers first; FedAvg stands for all who average so."""

import copy
from dataclasses import replace

import pytest
import torch

from strategies.common.architecture import Architecture
from strategies.common.errors import ModelError, WireError
from strategies.common.inputs import Images
from strategies.common.magnitudes import FACTOR, UNLIKE_FACTOR, too_large
from strategies.common.round import Reply
from strategies.common.task import Task
from strategies.common.wire import decode, encode
from strategies.fedavg.wire import Model
from tests.strategies import halves

TASK = Task(3, Images(1, 4, 4), 5)
SMALL, LARGE = Architecture("a" * 64, 2, 1), Architecture("b" * 64, 3, 0)


def reply(client: int, samples: int, weights: list[float], own: Architecture) -> Reply[Model]:
    statistics = torch.full((own.statistics,), float(client))
    return Reply(client, samples, Model(torch.tensor(weights), statistics), own)


def test_each_architecture_has_a_mean_of_its_own() -> None:
    half = halves.server("fedavg", TASK)
    state = half.start()
    assert half.shared(state, SMALL) is None
    replies = [
        reply(0, 1, [0.0, 4.0], SMALL),
        reply(1, 5, [1.0, 2.0, 3.0], LARGE),
        reply(2, 3, [4.0, 0.0], SMALL),
    ]
    said = half.aggregate(state, 1, replies)
    # (1 x 0 + 3 x 4) / 4 and (1 x 4 + 3 x 0) / 4; statistics (1 x 0 + 3 x 2) / 4.
    assert half.shared(state, SMALL).parameters.tolist() == [3.0, 1.0]
    assert half.shared(state, SMALL).statistics.tolist() == [1.5]
    assert half.shared(state, LARGE).parameters.tolist() == [1.0, 2.0, 3.0]
    # Client 0 is 3 and 3 away, client 2 is 1 and 1, client 1 not at all.
    assert said.diagnostics == {"client_drift": pytest.approx((3 + 1 + 0) / 3)}
    (note,) = said.notes
    assert note.startswith("fedavg: client 1 was alone with its architecture")


def test_a_group_that_is_silent_keeps_its_mean() -> None:
    half = halves.server("fedavg", TASK)
    state = half.start()
    half.aggregate(state, 1, [reply(0, 1, [1.0, 1.0], SMALL), reply(1, 1, [2.0] * 3, LARGE)])
    half.aggregate(state, 2, [reply(0, 1, [5.0, 5.0], SMALL)])
    half.aggregate(state, 3, [])
    assert half.shared(state, SMALL).parameters.tolist() == [5.0, 5.0]
    assert half.shared(state, LARGE).parameters.tolist() == [2.0] * 3


def test_who_says_a_digest_with_other_lengths_is_in_no_groups_way() -> None:
    half = halves.server("fedavg", TASK)
    state = half.start()
    liar = Architecture(SMALL.digest, 3, 0)
    half.aggregate(state, 1, [reply(0, 1, [1.0, 1.0], SMALL), reply(1, 1, [9.0] * 3, liar)])
    assert half.shared(state, SMALL).parameters.tolist() == [1.0, 1.0]


def test_clients_of_which_no_two_are_alike_are_refused() -> None:
    half = halves.server("fedavg", TASK)
    with pytest.raises(ModelError, match=r"2 clients with as many architectures; name fewer"):
        half.check_clients({0: SMALL, 1: LARGE})
    half.check_clients({0: SMALL, 1: LARGE, 2: SMALL})
    half.check_clients({0: SMALL})


def test_unlike_models_that_share_a_part_are_one_group_and_may_differ_more() -> None:
    alike, heads = (halves.server("fedgen", TASK, sharing=part) for part in ("full", "head"))
    heads.check_clients({0: SMALL, 1: LARGE})
    assert heads.held(SMALL) == heads.held(LARGE) == Architecture.of(torch.nn.Linear(5, 3))
    assert (alike.held(SMALL), alike.held(LARGE)) == (SMALL, LARGE)
    sent = reply(0, 1, [0.0, 4.0], SMALL)
    factors = [half.magnitudes(half.start(), sent)["parameters"].factor for half in (alike, heads)]
    assert factors == [FACTOR, UNLIKE_FACTOR]


def test_a_planned_model_draws_nothing() -> None:
    before = torch.random.get_rng_state()
    planned = Architecture.planned(lambda: torch.nn.Linear(5, 3))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert planned == Architecture.of(torch.nn.Linear(5, 3))


def test_weights_that_ran_away_are_named_and_others_are_not() -> None:
    half = halves.server("fedavg", TASK)
    state = half.start()
    half.aggregate(state, 1, [reply(n, 1, [1.0, -1.0], SMALL) for n in range(4)])
    sent = [reply(n, 1, [1.1, -0.9], SMALL) for n in range(3)] + [reply(3, 1, [1e6, 0.0], SMALL)]
    sizes = {one.partition: half.magnitudes(state, one) for one in sent}
    assert set(too_large(sizes, dict.fromkeys(sizes, 1))) == {3}


def test_what_is_no_variance_is_refused_by_name() -> None:
    own = Architecture("c" * 64, 2, 4, variances=2)
    agreed = replace(halves.agreed("fedavg", TASK, halves.run_of("fedavg")), architecture=own)
    honest = Model(torch.zeros(2), torch.tensor([-3.0, 0.0, 0.0, 2.0]))
    assert honest.fault(agreed) is None
    liar = Model(torch.zeros(2), torch.tensor([1.0, 1.0, 1.0, -0.5]))
    told = r"client 1: fedavg\.model\.statistics: expected variances of at least 0, got -0\.5"
    with pytest.raises(WireError, match=told):
        decode(Model, encode(liar, "float32"), agreed, sender="client 1")


def test_who_says_that_it_has_no_variances_is_in_no_groups_way() -> None:
    half = halves.server("fedavg", TASK)
    state = half.start()
    own, liar = (Architecture("c" * 64, 2, 1, variances=count) for count in (1, 0))
    half.aggregate(state, 1, [reply(1, 1, [1.0, 1.0], own), reply(9, 1, [9.0, 9.0], liar)])
    assert half.shared(state, own).statistics.tolist() == [1.0]


def test_variances_come_last() -> None:
    model = torch.nn.Sequential(
        torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2), torch.nn.BatchNorm1d(3)
    )
    for place, norm in enumerate((model[1], model[2])):
        norm.running_mean.fill_(-1.0 - place)
        norm.running_var.fill_(3.0 + place)
    own, sent = Architecture.of(model), Model.of(model)
    assert (own.statistics, own.variances) == (10, 5)
    assert sent.statistics.tolist() == [-1.0, -1.0, -2.0, -2.0, -2.0, 3.0, 3.0, 4.0, 4.0, 4.0]
    other = copy.deepcopy(model)
    for norm in (other[1], other[2]):
        norm.reset_running_stats()
    sent.into(other)
    assert torch.equal(other[2].running_var, model[2].running_var)
    assert torch.equal(other[2].running_mean, model[2].running_mean)
