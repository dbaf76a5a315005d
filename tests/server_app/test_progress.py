"""What a terminal shows of a run."""

import io

import pytest
from rich.console import Console

from server_app.progress import (
    describe_failure,
    format_bytes,
    format_duration,
    results_table,
    round_line,
)
from tests.server_app.run_folders import failed_round, line_of, round_of, write_run


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (0, "0 B"),
        (912, "912 B"),
        (999.4, "999 B"),
        (999.6, "1 kB"),
        (3100, "3.1 kB"),
        (33_000, "33 kB"),
        (99_960, "100 kB"),
        (120_000, "120 kB"),
        (999_700, "1 MB"),
        (1.5e6, "1.5 MB"),
        (2.25e12, "2.2 TB"),
        (3e15, "3000 TB"),
    ],
)
def test_bytes(number, written):
    assert format_bytes(number) == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0, "0 s"),
        (0.0213, "21 ms"),
        (4.71, "4.7 s"),
        (9.97, "10 s"),
        (59.6, "1:00"),
        (80, "1:20"),
        (3599.7, "1:00:00"),
        (3723, "1:02:03"),
    ],
)
def test_durations(seconds, written):
    assert format_duration(seconds) == written


def test_a_round_in_one_line():
    line = line_of(round_of(3, (0.6, 0.8)))
    # Mean (10 * 0.6 + 30 * 0.8) / 40 = 0.75, spread (0.8 - 0.6) / 2 = 0.1.
    assert round_line(line, 20, 80.0) == (
        "round 3/20 · accuracy 0.750 ± 0.100 · loss 0.25 · up 3 kB, down 80 kB · 4.0 s · ETA 1:20"
    )


def test_a_round_without_replies():
    line = line_of(failed_round(2, {c: f"reason {c}" for c in range(5)}))
    assert round_line(line, 4, None) == (
        "round 2/4 · no accuracy reported · up 0 B, down 0 B · 4.0 s · 5 failed: "
        "client 0 (reason 0), client 1 (reason 1), client 2 (reason 2) and 2 more"
    )


def test_a_reason_is_cut_and_cannot_paint_on_the_terminal():
    told = describe_failure(3, "\x1b[2Jboom\nand\tmore " + "x" * 500, longest=40)
    assert told.startswith("client 3 ([2Jboom and more xxx")
    assert len(told) == len("client 3 ()") + 40
    assert told.isprintable()


@pytest.mark.parametrize("reason", ["client 3: gone", "client 3 (cnn): gone"])
def test_a_reason_that_names_its_client_does_not_name_it_twice(reason):
    assert describe_failure(3, reason, longest=100) == reason
    assert describe_failure(33, reason, longest=100) == f"client 33 ({reason})"


def _shown(table):
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(table)
    return [" ".join(row.split()) for row in console.export_text().splitlines()]


def test_table_of_a_run_beside_another(tmp_path):
    run = write_run(tmp_path / "run", [round_of(1, (0.6, 0.8)), round_of(2, (0.7, 0.9))])
    local = write_run(tmp_path / "local", [round_of(1, (0.5, 0.7))], method="local")
    rows = _shown(results_table(run, local))
    heading = "Client ┃ Model ┃ Samples ┃ Local accuracy ┃ FedKTL accuracy"
    assert any(heading in row for row in rows)
    assert "│ 0 │ cnn │ 30/10 │ 0.500 │ 0.700 │ 1 kB │ 40 kB │" in rows
    assert "│ 1 │ resnet4 │ 90/30 │ 0.700 │ 0.900 │ 2 kB │ 40 kB │" in rows
    # (10 * 0.5 + 30 * 0.7) / 40 and (10 * 0.7 + 30 * 0.9) / 40
    assert "│ All │ weighted mean │ │ 0.650 │ 0.850 │ │ │" in rows


def test_table_marks_an_accuracy_that_is_not_of_the_last_round(tmp_path):
    late = round_of(2, (0.7, 0.9))
    late["nodes"]["0"] = {"failure": "gone"}
    run = write_run(tmp_path / "run", [round_of(1, (0.6, 0.8)), late])
    assert "│ 0 │ cnn │ 30/10 │ 0.600 (round 1) │ 1 kB │ 40 kB │" in _shown(
        results_table(run, None)
    )


def test_table_of_a_run_in_which_all_failed(tmp_path):
    clients = {"0": {"model": "[red]x\x1b"}}
    run = write_run(tmp_path / "run", [failed_round(1, {0: "a", 1: "b"})], clients=clients)
    rows = _shown(results_table(run, None))
    # Markup and control characters in a device's model name stay text.
    assert "│ 0 │ [red]x │ 30/10 │ — │ — │ — │" in rows
    assert "│ All │ weighted mean │ │ — │ │ │" in rows
