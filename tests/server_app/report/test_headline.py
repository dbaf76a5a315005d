"""What the top of a report says of a run."""

from html import unescape
from pathlib import Path
from typing import Any

from server_app.report import figures, headline
from server_app.run_record import RunRecord, read_run_record
from tests.server_app.run_folders import round_of, write_run


def record(folder: Path, *lines: dict[str, Any], **settings: Any) -> RunRecord:
    return read_run_record(write_run(folder, lines, settings=settings))


def test_data_that_came_split_have_no_partition(tmp_path: Path) -> None:
    asked = {"partition": "dirichlet", "dirichlet-alpha": 0.5, "test-fraction": 0.25}
    told = {}
    for data in ("digits", "pfllib:mnist", "folder:/pictures"):
        folder = tmp_path / data.partition(":")[0]
        run = record(folder, round_of(1, (0.5, 0.5)), data=data, **asked)
        told[data] = unescape(f"{headline.header(run)}{headline.method_of_measurement(run)}")
    assert "dirichlet partition, alpha 0.5" in told["digits"]
    assert "25% of its samples" in told["digits"]
    assert "split as published" in told["pfllib:mnist"]
    assert "dirichlet partition" not in told["pfllib:mnist"]
    assert "25%" not in told["pfllib:mnist"]
    assert "each client's own data" in told["folder:/pictures"]
    assert "dirichlet partition" not in told["folder:/pictures"]


def test_it_says_of_how_many_clients_it_is(tmp_path: Path) -> None:
    """Check 50 of federated distillation, with the two tests below."""
    both = round_of(2, (0.7, 0.9))
    one = round_of(2, (0.7, 0.9))
    one["nodes"]["0"] = {"failure": "gone"}
    for name, last, told in (("both", both, "(2)<"), ("one", one, "(2), 1 of 2 clients<")):
        run = record(tmp_path / name, round_of(1, (0.6, 0.8)), last)
        assert f"last round {told}" in str(headline.cards(run, None))


def test_it_says_what_picks_a_class_beside_the_number_and_below(tmp_path: Path) -> None:
    """Check 50: whose model, and which test samples."""
    measures = {
        "own": "the nearest prototype among the client&#x27;s own classes",
        "all": "the nearest prototype among all classes",
    }
    for chosen, told in measures.items():
        settings = {"fedproto.inference": "prototype", "fedproto.test-classes": chosen}
        folder = write_run(
            tmp_path / chosen, [round_of(1, (0.5, 0.5))], method="fedproto", settings=settings
        )
        run = read_run_record(folder)
        assert f"last round (1), by {told}<" in str(headline.cards(run, None))
        assert f"is decided by {told}." in str(headline.method_of_measurement(run))
        assert f"Classified by {told}." in str(figures.accuracy_figure(run, None))
    plain = record(tmp_path / "plain", round_of(1, (0.5, 0.5)))
    shown = f"{headline.cards(plain, None)}{headline.method_of_measurement(plain)}"
    assert "prototype" not in shown


def test_a_best_round_of_fewer_clients_than_the_last_is_none(tmp_path: Path) -> None:
    """Check 50: which statistic."""
    few = round_of(2, (0.9, 0.9))
    few["nodes"]["0"] = {"failure": "gone"}
    run = record(tmp_path / "all", round_of(1, (0.6, 0.8)), few, round_of(3, (0.5, 0.7)))
    assert "round 1; last is 0.650" in str(headline.cards(run, None))
    last = round_of(3, (0.7, 0.7))
    last["nodes"]["0"] = {"failure": "gone"}
    run = record(tmp_path / "few", round_of(1, (0.6, 0.8)), few, last)
    assert "round 2, 1 of 2 clients; last is 0.700" in str(headline.cards(run, None))
