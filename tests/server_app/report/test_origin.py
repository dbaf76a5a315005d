"""Where a run comes from."""

import shlex
from pathlib import Path

from server_app.report.origin import command
from server_app.report.page import write_report
from server_app.run_record import read_run_record
from strategies.common.settings_changes import read_changes
from tests.server_app.run_folders import round_of, write_run


def test_date_duration_versions_and_command_come_from_the_folder(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", [round_of(1, (0.5, 0.5)), round_of(2, (0.5, 0.5))])
    page = write_report(folder).read_text()
    assert "When it was started is not known." in page
    assert "2 rounds took 8.0 s on the server." in page
    assert "Versions: flwr 1.41.0." in page
    settings = folder / "settings.toml"
    settings.write_text(f"started = 2026-01-02T03:04:05Z\n{settings.read_text()}")
    page = write_report(folder).read_text()
    assert page.count("2026-01-02 03:04 UTC") == 2
    assert "started" not in read_run_record(folder).settings


def test_the_command_has_what_differs_from_the_defaults_and_names_no_place(tmp_path: Path) -> None:
    asked = {
        "rounds": 7,
        "runs-dir": "/home/someone/runs",
        "min-nodes": 2,
        "fedktl.transfer-weight": 50.0,
        "models": "cnn,it's.py:Net",
        # Of another method, and not read.
        "fedproto.proto-weight": 3.5,
        # The default.
        "local-epochs": 1,
    }
    folder = write_run(tmp_path / "run", [round_of(1, (0.5, 0.5))], settings=asked)
    words = shlex.split(command(read_run_record(folder)))
    assert words[:4] == ["python", "-m", "local_federation", "simulate"]
    assert words[4:10] == ["--method", "fedktl", "--clients", "2", "--name", "run-again"]
    assert words[10::2] == ["--set"] * 3
    assert read_changes(words[11::2]) == {
        "rounds": 7,
        "models": "cnn,it's.py:Net",
        "fedktl.transfer-weight": 50.0,
    }
