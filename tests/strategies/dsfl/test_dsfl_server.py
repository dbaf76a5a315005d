"""DS-FL on the server: one distribution for each open sample."""

import pytest
import torch
from torch import Tensor

from strategies.common.entropy import entropy, sharpened
from strategies.common.inputs import Images
from strategies.common.open_data import OpenSet
from strategies.common.round import Reply
from strategies.common.task import Task
from strategies.dsfl.server import DSFLServer
from strategies.dsfl.wire import Predictions
from tests.strategies import halves

TASK = Task(3, Images(1, 4, 4), 5, open_set=OpenSet("0" * 64, 4))


def server(**own: float | str) -> DSFLServer:
    run = halves.run_of("dsfl", open_data="digits")
    half: DSFLServer = halves.server("dsfl", TASK, run, **own)
    return half


def said(*rows: list[float]) -> Tensor:
    return torch.tensor([*rows])


def replies(*sent: Tensor) -> list[Reply[Predictions]]:
    return [Reply(client, 10, Predictions(rows, None, None)) for client, rows in enumerate(sent)]


ONE = said([0.8, 0.1, 0.1], [0.2, 0.2, 0.6])
OTHER = said([0.6, 0.3, 0.1], [0.6, 0.2, 0.2])


def test_nothing_is_sent_before_anyone_spoke() -> None:
    half = server()
    state = half.start()
    assert half.broadcast(state) is None
    assert half.aggregate(state, 1, []).diagnostics == {}
    assert half.broadcast(state) is None


def test_the_mean_of_all_is_sharpened_and_told() -> None:
    half = server(temperature=0.1)
    state = half.start()
    numbers = half.aggregate(state, 3, replies(ONE, OTHER)).diagnostics
    mean = said([0.7, 0.2, 0.1], [0.4, 0.2, 0.4])
    sent = half.broadcast(state)
    torch.testing.assert_close(sent.rows, sharpened(mean, 0.1))
    assert sent.round.tolist() == [3]
    assert numbers["entropy_of_mean"] == pytest.approx(float(entropy(mean).mean()))
    assert numbers["entropy"] == pytest.approx(float(entropy(sent.rows).mean()))
    # The first client's likeliest classes are 0 and 2, the second's 0 and 0; all say 0 and 0.
    assert numbers["agreement"] == pytest.approx((0.5 + 1.0) / 2)
    assert numbers["surer"] == 1.0


def test_rules_and_their_order_differ_where_clients_disagree() -> None:
    """Check 21."""
    sent: dict[str, Tensor] = {}
    for name, own in {
        "mean": {"aggregation": "mean"},
        "era": {},
        "per client": {"aggregation": "era_per_client"},
        "power": {"aggregation": "power", "power": 2.0},
    }.items():
        half = server(**own)
        state = half.start()
        half.aggregate(state, 1, replies(ONE, OTHER))
        sent[name] = half.broadcast(state).rows
    torch.testing.assert_close(sent["mean"], (ONE + OTHER) / 2)
    per_client = (sharpened(ONE, 0.1) + sharpened(OTHER, 0.1)) / 2
    torch.testing.assert_close(sent["per client"], per_client)
    # 0.7, 0.2 and 0.1 squared are 0.49, 0.04 and 0.01.
    torch.testing.assert_close(sent["power"][0], torch.tensor([0.49, 0.04, 0.01]) / 0.54)
    assert not torch.allclose(sent["era"], sent["per client"], atol=1e-2)


def test_who_answers_first_and_how_many_samples_a_client_has_do_not_matter() -> None:
    """Check 22."""
    results = []
    for order in ([0, 1], [1, 0]):
        half = server()
        state = half.start()
        every = replies(ONE, OTHER)
        half.aggregate(state, 1, [every[place] for place in order])
        results.append(half.broadcast(state).rows)
    torch.testing.assert_close(*results)
    half = server(aggregation="mean")
    state = half.start()
    half.aggregate(state, 1, replies(ONE, OTHER, ONE, OTHER))
    torch.testing.assert_close(half.broadcast(state).rows, (ONE + OTHER) / 2)


def test_one_client_hears_its_own_answers_sharpened() -> None:
    """Check 22."""
    half = server()
    state = half.start()
    half.aggregate(state, 1, replies(ONE))
    torch.testing.assert_close(half.broadcast(state).rows, sharpened(ONE, 0.1))


@pytest.mark.parametrize(("temperature", "noted"), [(0.1, False), (0.33, False), (0.34, True)])
def test_a_temperature_that_makes_unsure_is_noted(temperature: float, noted: bool) -> None:
    """Check 21."""
    half = server(temperature=temperature)
    notes = half.aggregate(half.start(), 1, replies(ONE)).notes
    assert [("one over the 3 classes, 0.333" in note) for note in notes] == [True] * noted
    other = server(temperature=temperature, aggregation="power")
    assert other.aggregate(other.start(), 1, replies(ONE)).notes == ()
