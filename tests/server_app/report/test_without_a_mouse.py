"""What a reader on a phone finds, who can point at nothing."""

from pathlib import Path

import pytest

from server_app.report import figures
from server_app.report.page import write_report
from server_app.report.tables import MAX_ROUNDS, clients_by_round_table
from server_app.run_record import read_run_record
from tests.server_app.run_folders import node, round_of, write_run


def test_every_clients_accuracy_stands_in_a_table_whose_rounds_are_spread(tmp_path: Path) -> None:
    lines = [round_of(n, (n / 100, 0.5)) for n in range(1, 2 * MAX_ROUNDS + 2)]
    lines[-1]["nodes"]["1"] = {"failure": "gone"}
    shown = clients_by_round_table(read_run_record(write_run(tmp_path / "run", lines)))
    # Every third of 41, the last among them.
    heads = [f"Round {n}" for n in range(2, 42, 3)]
    assert all(f">{head}<" in shown for head in heads)
    assert shown.count(">Round ") == len(heads)
    assert "0.410" in shown
    assert shown.count("—") == 1
    assert "14 of 41 rounds." in shown


def test_tables_of_many_clients_are_folded(tmp_path: Path) -> None:
    for count in (40, 41):
        nodes = {str(c): node(0, 0.5, figures={"step_ms": 1.0}) for c in range(count)}
        folder = write_run(tmp_path / str(count), [round_of(1, (0.5, 0.5), nodes=nodes)])
        page = write_report(folder).read_text()
        # Clients and devices.
        assert page.count(f"<summary>All {count} clients</summary>") == 2 * (count == 41)


@pytest.mark.parametrize(("method", "drawn"), [("local", 1), ("fedktl", 2)])
def test_losses_of_two_methods_share_no_axis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, drawn: int
) -> None:
    shown = []
    monkeypatch.setattr(figures, "line_chart", lambda frame, series: shown.append(series) or "")
    mine = read_run_record(write_run(tmp_path / "mine", [round_of(1, (0.5, 0.5))]))
    other = write_run(tmp_path / "other", [round_of(1, (0.5, 0.5))], method=method)
    told = figures.loss_figure(mine, read_run_record(other))
    assert [len(series) for series in shown] == [drawn]
    assert ("a loss of its own" in told) == (drawn == 1)
