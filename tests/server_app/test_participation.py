"""Who takes part in a round, and who is only tested."""

from pathlib import Path

import pytest
import torch

from strategies.common import seeds
from tests.loopback import without_clocks
from tests.server_app.small_federation import (
    Play,
    continued,
    failing,
    only_tested,
    player,
    sent,
    trained,
)

pytestmark = pytest.mark.federation


@pytest.fixture
def federation(tmp_path: Path) -> Play:
    return player(tmp_path)


def chosen_by_hand(seed: int, round_number: int, clients: int, count: int) -> list[int]:
    generator = seeds.generator(seed, "participation", round_number=round_number)
    return sorted(torch.randperm(clients, generator=generator).tolist()[:count])


def test_a_part_of_the_clients_is_drawn_anew_each_round(federation: Play) -> None:
    lines = federation(4, participation=0.5, evaluate_every=0, rounds=6).play()
    drawn = [trained(line) for line in lines]
    assert drawn == [chosen_by_hand(0, r, 4, 2) for r in range(1, 7)]
    assert len({tuple(pair) for pair in drawn}) > 2
    assert all(only_tested(line) == [] for line in lines[:-1])
    # Each goes on from the last round in which it took part.
    last = dict.fromkeys("0123", 0)
    for line in lines:
        assert continued(line) == {p: last[p] for p in continued(line)}
        assert continued(line).keys() == {str(p) for p in trained(line) + only_tested(line)}
        last.update({str(p): line["round"] for p in trained(line)})


@pytest.mark.parametrize(("participation", "count"), [(0.1, 1), (0.34, 1), (0.6, 2), (0.99, 3)])
def test_at_least_one_client_takes_part(federation: Play, participation: float, count: int) -> None:
    (line,) = federation(3, participation=participation, rounds=1, evaluate_every=0).play()
    assert len(trained(line)) == count
    # The last round is of all clients, or its accuracy would be that of whoever was drawn.
    assert sorted(trained(line) + only_tested(line)) == [0, 1, 2]


def test_every_so_many_rounds_the_others_are_tested_without_learning(federation: Play) -> None:
    fed = federation(4, participation=0.5, evaluate_every=2, rounds=5)
    lines = fed.play()
    for line in lines:
        others = sorted({0, 1, 2, 3} - set(trained(line)))
        assert only_tested(line) == (others if line["round"] in (2, 4, 5) else [])
    assert {r for r, _ in sent(fed, "evaluate")} == {2, 4, 5}
    # What was only tested is not gone on from: the next training starts from the last one.
    last = dict.fromkeys("0123", 0)
    for line in lines:
        assert continued(line) == {p: last[p] for p in continued(line)}
        last.update({str(p): line["round"] for p in trained(line)})
        # No device is asked for a round that it never trained, which it would note.
        assert all(node["notes"] == [] for node in line["nodes"].values())
    assert all(lines[1]["nodes"][str(p)]["losses"] == {} for p in only_tested(lines[1]))


def test_prototypes_test_those_that_trained_after_every_round_and_all_where_it_is_due(
    federation: Play,
) -> None:
    fed = federation(3, method="fedproto", participation=0.34, evaluate_every=2, rounds=3)
    lines = fed.play()
    tests = sent(fed, "evaluate")
    assert len(tests) == 1 + 3 + 3
    for line in lines:
        drawn = trained(line)
        due = line["round"] in (2, 3)
        asked = [100 + p for p in (range(3) if due else drawn)]
        assert sorted(node for number, node in tests if number == line["round"]) == asked
        assert only_tested(line) == ([p for p in range(3) if p not in drawn] if due else [])
        assert all(node["accuracy"] is not None for node in line["nodes"].values())
        # From round 1 on by the federation's prototypes.
        for node in line["nodes"].values():
            assert node["payload_bytes"]["down/fedproto.global-prototypes"] > 0
        assert line["classified_by"] == "the nearest prototype among the client's own classes"


def test_heads_are_tested_in_the_reply(federation: Play) -> None:
    head = {"method": "fedproto", "fedproto.inference": "head", "rounds": 1}
    fed = federation(2, **head)
    (line,) = fed.play()
    assert sent(fed, "evaluate") == []
    assert line["accuracy"] is not None
    assert line["classified_by"] == ""


def test_testing_changes_nothing_for_those_who_train(federation: Play) -> None:
    with_tests = federation(4, "a", participation=0.5, evaluate_every=1, rounds=3).play()
    without = federation(4, "b", participation=0.5, evaluate_every=0, rounds=3).play()
    for one, other in zip(with_tests, without, strict=True):
        assert trained(one) == trained(other)
        for partition in map(str, trained(one)):
            assert without_clocks(one["nodes"][partition]) == without_clocks(
                other["nodes"][partition]
            )


def test_a_client_that_stepped_in_for_another_is_not_tested_on_top(federation: Play) -> None:
    fed = federation(4, participation=0.5, evaluate_every=1, min_replies=3, rounds=2)
    lines = fed.play()
    # Two are drawn, three replies are needed: all others are asked to train as well.
    for line in lines:
        assert trained(line) == [0, 1, 2, 3]
        assert only_tested(line) == []
    assert sent(fed, "evaluate") == []
    assert continued(lines[1]) == dict.fromkeys("0123", 1)


def test_a_client_that_cannot_be_tested_is_a_failure_of_its_own(federation: Play) -> None:
    fed = federation(2, participation=0.5, evaluate_every=1, rounds=1)
    fed.grid.tamper = lambda _, r: failing(r) if r.metadata.message_type == "evaluate" else r
    (line,) = fed.play()
    assert len(trained(line)) == 1
    (idle,) = {"0", "1"} - {str(p) for p in trained(line)}
    assert "the node is gone" in line["nodes"][idle]["failure"]
