"""What was not set but chosen for a run: kept beside its settings, and shown."""

from pathlib import Path

import torch

from server_app.half import decisions
from server_app.report.origin import command, origin
from server_app.run_folder import RunFolder
from server_app.run_record import read_run_record
from strategies import methods
from strategies.common.agreed import Need
from strategies.common.run_config import default_config, read_run
from tests.server_app.run_folders import CONFIG
from tests.strategies.fedktl.fake_generator import FakeGenerator

CHOSEN = {"generator's steps": "50 (diffusers' default)"}


def test_they_stand_beside_the_settings_and_are_none(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, "chosen")
    folder.begin(CONFIG, CHOSEN)
    run = read_run_record(folder.path)
    assert run.decisions == CHOSEN
    assert not any("steps" in key and "generator" in key for key in run.settings)
    # A later version may choose otherwise, or nothing at all: settings alone decide a resume.
    folder.check_resumable(CONFIG)


def test_the_report_tells_them_and_its_command_does_not(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, "chosen")
    folder.begin({**CONFIG, "method": "fedktl"}, CHOSEN)
    run = read_run_record(folder.path)
    assert "Generator&#x27;s steps: 50 (diffusers&#x27; default)." in str(origin(run))
    assert "diffusers" not in command(run)


def test_a_run_of_an_earlier_version_has_none(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, "older")
    folder.begin(CONFIG)
    assert read_run_record(folder.path).decisions == {}


def test_they_are_those_of_the_generator() -> None:
    config = {**default_config(), "method": "fedktl"}
    run, cpu = read_run(config), torch.device("cpu")
    generator = FakeGenerator(decisions={"steps": "50 (diffusers' default)"})
    half = methods.server_half("fedktl", config, run, cpu, {Need.GENERATOR: lambda: generator})
    assert decisions(half) == CHOSEN
    local = methods.server_half("local", config, run, cpu, {})
    assert decisions(local) == {}
