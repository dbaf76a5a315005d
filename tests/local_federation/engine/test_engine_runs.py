"""Whole runs by the engine: the digits of loopback, however many workers, and how runs end."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from federations.split_federation import TINY, share_prepared_data
from loopback import Federation, without_clocks

from tests.fresh_processes import FreshProcesses

pytestmark = [
    pytest.mark.federation,
    pytest.mark.xdist_group("engine"),
    pytest.mark.usefixtures("prepared_once"),
]

Settings = dict[str, bool | int | float | str]
SMALL: Settings = {
    "run-name": "test",
    "models": "cnn,resnet4",
    "data": "digits",
    "max-samples": 40,
    "feature-dim": 16,
    "rounds": 2,
    "min-nodes": 3,
    "device": "cpu",
    "server-device": "cpu",
}


@pytest.fixture
def engine(
    fresh_processes: FreshProcesses, tmp_path: Path
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return what lets the engine play runs of three clients in a folder of its own."""

    def play(
        *runs: Settings, clients: int = 3, folder: str = "engine", **resources: float
    ) -> subprocess.CompletedProcess[str]:
        home = tmp_path / folder
        (home / "logs").mkdir(parents=True)
        share_prepared_data(home)
        places = {"runs-dir": str(home / "runs"), "state-dir": str(home / "state")}
        asked = {
            "runs": [{**run, **places} for run in runs],
            "clients": clients,
            "resources": resources,
            "home": str(home),
        }
        (home / "runs.json").write_text(json.dumps(asked))
        return fresh_processes.run("-m", "local_federation.engine", str(home / "runs.json"))

    return play


def lines_of(folder: Path, name: str = "test") -> Any:
    text = (folder / "runs" / name / "rounds.jsonl").read_text()
    return without_clocks([json.loads(line) for line in text.splitlines()])


def test_any_number_of_workers_gives_the_digits_of_loopback(
    engine: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    settings = {**SMALL, "method": "fedproto"}
    share_prepared_data(tmp_path / "loop")
    expected = without_clocks(Federation(tmp_path / "loop", 3, settings).play())
    for workers in (1, 2, 4):
        done = engine(settings, folder=str(workers), workers=workers)
        assert done.returncode == 0, done.stderr
        assert lines_of(tmp_path / str(workers)) == expected
        assert (tmp_path / str(workers) / "statuses" / "test").read_text() == "finished:completed"


def test_nodes_that_exchange_activations_are_all_at_work(
    engine: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    settings = {**TINY, "method": "splitfed", "run-name": "test", "min-nodes": 2}
    share_prepared_data(tmp_path / "loop")
    expected = without_clocks(Federation(tmp_path / "loop", 2, settings).play())
    # One worker would wait for the other node for ever.
    assert engine(settings, clients=2, workers=1).returncode == 0
    assert lines_of(tmp_path / "engine") == expected


def test_a_run_that_fails_is_told_and_ends_the_campaign(
    engine: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    good: Settings = {**SMALL, "method": "local", "rounds": 1}
    bad: Settings = {**good, "run-name": "bad", "models": "no-such-model"}
    done = engine({**good, "run-name": "first"}, bad, {**good, "run-name": "never"})
    assert done.returncode == 1
    home = tmp_path / "engine"
    ended = {file.name: file.read_text() for file in (home / "statuses").iterdir()}
    assert ended == {"first": "finished:completed", "bad": "finished:failed"}
    assert "no-such-model" in (home / "logs" / "run-bad.log").read_text()
    assert "Traceback" not in (home / "logs" / "run-bad.log").read_text()
    assert not (home / "runs" / "never").exists()
