"""Macro-F1 and validation stand beside accuracy where clients told them."""

from pathlib import Path

from server_app.report.figures import MACRO_F1, VALIDATION, accuracy_figure
from server_app.report.tables import clients_table
from server_app.run_record import RunRecord, read_run_record
from tests.server_app.run_folders import node, round_of, write_run


def run_of(folder: Path, *, told: bool) -> RunRecord:
    held_out = {"validation_accuracy": 0.75 if told else None, "validation_loss": None}
    known = {"macro_f1": 0.375 if told else None, "class_accuracy": [], **held_out}
    line = round_of(1, (0.5, 0.25), **known)
    for client, accuracy in enumerate((0.5, 0.25)):
        score = 0.125 * (client + 1) if told else None
        line["nodes"][str(client)] = node(client, accuracy, macro_f1=score, **held_out)
    return read_run_record(write_run(folder, [line]))


def test_it_stands_beside_every_clients_accuracy_and_over_all(tmp_path: Path) -> None:
    table = str(clients_table(run_of(tmp_path / "run", told=True), None))
    assert table.index("Accuracy<") < table.index("Macro-F1<") < table.index("Up per round<")
    for client, (accuracy, score) in enumerate((("0.500", "0.125"), ("0.250", "0.250"))):
        row = table.split("<tr>")[2 + client]
        assert row.index(accuracy) < row.rindex(score)
    assert "0.375" in table.rsplit("<tr>", maxsplit=1)[-1]


def test_it_has_no_place_where_nobody_told_it(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", told=False)
    assert "Macro-F1<" not in str(clients_table(run, None))
    drawn = str(accuracy_figure(run, None))
    assert MACRO_F1 not in drawn
    assert VALIDATION not in drawn


def test_both_have_curves_of_their_own(tmp_path: Path) -> None:
    drawn = str(accuracy_figure(run_of(tmp_path / "run", told=True), None))
    assert MACRO_F1 in drawn
    assert VALIDATION in drawn
