"""The tables of a comparison, before they are dressed."""

import pytest

from server_app.compare.text_table import (
    accuracy_table,
    baseline_name,
    clients_table,
    cost_table,
    runs_table,
)
from tests.server_app.run_folders import node, round_of


@pytest.fixture
def rows(runs):
    """FedKTL and Local on three seeds, with differences of 5, 6 and 7 points."""
    for seed, level in enumerate((0.55, 0.56, 0.57)):
        runs.add("fedktl", seed, (0.1, level, level, level, level, level), name=f"mine-{seed}")
        runs.add("local", seed, (0.5,) * 6, name=f"alone-{seed}")
    return runs.rows()


def test_accuracy(rows):
    table = accuracy_table(rows)
    assert [column.title for column in table.columns][5] == "Points to Local"
    assert table.rows == [
        ["Local", "3", *["0.500 ± 0.000"] * 3, "—", "—", "—"],
        ["FedKTL", "3", *["0.560 ± 0.010"] * 3, "+6.0", "+3.5 to +8.5", "2 / 0"],
    ]
    # The interval against the second excludes zero.
    assert table.strong == {(1, 3)}


def test_cost(rows):
    # Every round 83 kB, 3 s without waiting and two turns of 2.5 s.
    both = ["1.5 kB", "40 kB", "498 kB", "18 s", "30 s"]
    assert cost_table(rows, 0.5).rows == [
        ["Local", *both, "1", "83 kB", "3 of 3"],
        ["FedKTL", *both, "2", "166 kB", "3 of 3"],
    ]
    assert [row[-3:] for row in cost_table(rows, 0.565).rows] == [
        ["—", "—", "0 of 3"],
        ["2", "166 kB", "1 of 3"],
    ]
    assert cost_table(rows, None).rows == [["Local", *both], ["FedKTL", *both]]


def test_cpu_time_has_a_column_where_a_device_tells_it(runs):
    told = {str(c): node(c, 0.5, figures={"cpu_s": 2.0}) for c in range(2)}
    runs.add("fedktl", 0, [round_of(1, (0.5, 0.5), nodes=told)])
    runs.add("local", 0, (0.5,))
    table = cost_table(runs.rows(), None)
    assert table.columns[-1].title == "CPU time on devices"
    assert [row[-1] for row in table.rows] == ["—", "4.0 s"]


def test_a_row_of_one_seed_has_no_spread_and_one_without_rounds_nothing(runs):
    runs.add("local", 0, (0.5,))
    runs.add("fedktl", 0, (), settings={"rounds": 1})
    alone, empty = accuracy_table(runs.rows()).rows
    assert alone[1:4] == ["1", "0.500", "0.500"]
    assert empty == ["FedKTL", "1", *["—"] * 6]
    assert cost_table(runs.rows(), 0.4).rows[1][1:4] == ["—", "—", "0 B"]


def test_runs_and_clients(rows):
    assert runs_table(rows).rows[3] == [
        *("mine-0", "FedKTL", "0", "6", "0.550", "0.550", "498 kB", "18 s")
    ]
    assert clients_table(rows).rows == [["0", "+6.0"], ["1", "+6.0"]]


def test_several_kinds_of_clients_alone_have_no_common_name(runs):
    runs.add("local", 0, (0.5,))
    assert baseline_name(runs.rows()) == "Local"
    runs.add("fedadapter", 0, (0.5,), settings={"fedadapter.shared-rounds": 0})
    assert baseline_name(runs.rows()) == "clients alone"
