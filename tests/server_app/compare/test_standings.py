"""Rows in numbers."""

import pytest

from server_app.compare.standings import default_reach, leader
from tests.server_app.run_folders import round_of


def test_differences_are_paired_by_seed(runs):
    # Seed 2 is played by one of the two alone and has no pair.
    for seed, (mine, theirs) in {0: (0.6, 0.5), 1: (0.9, 0.7)}.items():
        runs.add("fedktl", seed, (mine, mine))
        runs.add("local", seed, (theirs, theirs))
    runs.add("fedktl", 2, (0.1, 0.1))
    alone, row = runs.rows()
    assert (alone.arm.method, alone.baseline, alone.difference) == ("local", None, None)
    assert row.baseline is alone.arm
    assert (row.difference.mean, row.difference.count) == (pytest.approx(0.15), 2)
    # The differences are 0.1 and 0.2: a deviation of 0.0707, t of 12.706, over sqrt(2).
    assert row.difference.half_width == pytest.approx(12.706 * 0.05, rel=1e-3)


def test_gains_are_those_of_the_same_client_and_seed(runs):
    for seed, mine in ((0, (0.9, 0.5)), (1, (0.7, 0.5))):
        runs.add("fedktl", seed, [round_of(1, mine)])
        runs.add("local", seed, [round_of(1, (0.5, 0.6))], settings={"rounds": 1})
    _, row = runs.rows()
    # Client 0 gains 0.4 and 0.2, client 1 loses 0.1 twice.
    assert row.gains == pytest.approx({0: 0.3, 1: -0.1})
    assert row.gained() == (1, 1, 0)


def test_equal_clients_are_level(runs):
    for method in ("fedktl", "local"):
        runs.add(method, 0, (0.1 + 0.2,))
    _, row = runs.rows()
    assert row.gained() == (0, 0, 2)


def test_a_row_without_an_accuracy_is_kept(runs):
    runs.add("local", 0, (0.5,))
    runs.add("fedktl", 0, (), settings={"rounds": 1})
    _, row = runs.rows()
    assert (row.settled, row.difference, row.gains) == (None, None, {})


def test_the_accuracy_to_reach_is_one_that_every_row_ends_above(runs):
    for seed, level in ((0, 0.5), (1, 0.7)):
        runs.add("local", seed, (0.2, level))
        runs.add("fedktl", seed, (0.2, 0.9))
    rows = runs.rows()
    # 95 % of the mean of 0.5 and 0.7.
    assert default_reach(rows) == pytest.approx(0.57)
    # Seed 0 of Local ends at 0.5.
    assert [point.round_number for point in rows[0].reaching(0.57)] == [2]
    assert len(rows[1].reaching(0.57)) == 2


def _rivals(runs, second):
    for seed, level in enumerate((0.80, 0.81, 0.82)):
        runs.add("fedktl", seed, (level,))
        runs.add("local", seed, (second[seed],))
    return runs.rows()


def test_the_best_leads_where_its_interval_excludes_zero(runs):
    # Differences of 0.3, 0.3 and 0.32.
    found = leader(_rivals(runs, (0.50, 0.51, 0.50)))
    assert found.arm.method == "fedktl"


def test_nobody_leads_by_chance(runs):
    # Differences of 0.3, 0.01 and 0.02.
    assert leader(_rivals(runs, (0.50, 0.80, 0.80))) is None


def test_nobody_leads_with_one_seed_or_on_other_data(runs):
    runs.add("local", 0, (0.1,))
    runs.add("fedktl", 0, (0.9,))
    assert leader(runs.rows()) is None
    for seed in (1, 2):
        runs.add("local", seed, (0.1 + seed / 100,))
        runs.add("fedktl", seed, (0.9,))
    assert leader(runs.rows()) is not None
    for seed in (0, 1, 2):
        runs.add("fd", seed, (0.2,), settings={"data": "other"})
    assert leader(runs.rows()) is None
