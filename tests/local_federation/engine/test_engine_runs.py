"""Whole runs by the engine: the digits of loopback, however many workers, and how runs end."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from federations.split_federation import TINY, share_prepared_data
from loopback import Federation, without_clocks

from tests.fresh_processes import FreshProcesses

pytestmark = [pytest.mark.federation, pytest.mark.xdist_group("engine")]

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


GOOD: Settings = {**SMALL, "method": "local", "rounds": 1}
FEDPROTO: Settings = {**SMALL, "method": "fedproto"}
SPLIT: Settings = {**TINY, "method": "splitfed", "run-name": "test", "min-nodes": 2}
WORKERS = (1, 2, 4)

# Imports once for several files, each played as ``python -m local_federation.engine FILE`` would,
# but that nobody looks at the pages: drawing them takes longer than these runs.
PROGRAM = """
import json, sys
from unittest.mock import patch
from local_federation.engine.__main__ import main
with patch("server_app.run.page.write_report"):
    print(json.dumps([main() for sys.argv[1:] in [[file] for file in sys.argv[1:]]]))
"""


@dataclass(frozen=True)
class Engine:
    """What the engine was asked to play, each in a folder of its own, and how it ended."""

    root: Path
    codes: dict[str, int]
    by_loopback: dict[str, Any]


@pytest.fixture(scope="module")
def engine(
    fresh_processes: FreshProcesses, tmp_path_factory: pytest.TempPathFactory, prepared_once: None
) -> Engine:
    root = tmp_path_factory.mktemp("engine")
    # Played first, so that the data are prepared.
    by_loopback = {
        "fedproto": played_by_loopback(root / "fedproto", 3, FEDPROTO),
        "splitfed": played_by_loopback(root / "splitfed", 2, SPLIT),
    }
    files = {
        **{str(n): asked_in(root / str(n), FEDPROTO, workers=n) for n in WORKERS},
        # One worker would wait for the other node for ever.
        "split": asked_in(root / "split", SPLIT, clients=2, workers=1),
        "campaign": asked_in(
            root / "campaign",
            {**GOOD, "run-name": "first"},
            {**GOOD, "run-name": "bad", "models": "no-such-model"},
            {**GOOD, "run-name": "never"},
        ),
    }
    files["at once"] = asked_in(
        root / "at once",
        {**GOOD, "run-name": "bad", "models": "no-such-model"},
        {**FEDPROTO, "run-name": "left"},
        {**FEDPROTO, "run-name": "twin"},
        at_once=2,
        go_on=True,
        workers=1,
    )
    done = fresh_processes.run("-c", PROGRAM, *files.values())
    assert done.returncode == 0, done.stderr
    return Engine(root, dict(zip(files, json.loads(done.stdout), strict=True)), by_loopback)


def played_by_loopback(folder: Path, num_clients: int, settings: Settings) -> Any:
    share_prepared_data(folder)
    return without_clocks(Federation(folder, num_clients, settings).play())


def asked_in(
    home: Path,
    *runs: Settings,
    clients: int = 3,
    at_once: int = 1,
    go_on: bool = False,
    **resources: float,
) -> str:
    """Write what the engine is asked to play in a folder, and return the file."""
    (home / "logs").mkdir(parents=True)
    share_prepared_data(home)
    places = {"runs-dir": str(home / "runs"), "state-dir": str(home / "state")}
    asked = {
        "runs": [{**run, **places} for run in runs],
        "clients": clients,
        "resources": resources,
        "home": str(home),
        "at_once": at_once,
        "go_on": go_on,
    }
    (home / "runs.json").write_text(json.dumps(asked))
    return str(home / "runs.json")


def lines_of(folder: Path, name: str = "test") -> Any:
    text = (folder / "runs" / name / "rounds.jsonl").read_text()
    return without_clocks([json.loads(line) for line in text.splitlines()])


def test_any_number_of_workers_gives_the_digits_of_loopback(engine: Engine) -> None:
    for workers in WORKERS:
        home = engine.root / str(workers)
        assert engine.codes[str(workers)] == 0
        assert lines_of(home) == engine.by_loopback["fedproto"]
        assert (home / "statuses" / "test").read_text() == "finished:completed"


def test_nodes_that_exchange_activations_are_all_at_work(engine: Engine) -> None:
    assert engine.codes["split"] == 0
    assert lines_of(engine.root / "split") == engine.by_loopback["splitfed"]


def test_a_run_that_fails_is_told_and_ends_the_campaign(engine: Engine) -> None:
    assert engine.codes["campaign"] == 1
    home = engine.root / "campaign"
    ended = {file.name: file.read_text() for file in (home / "statuses").iterdir()}
    assert ended == {"first": "finished:completed", "bad": "finished:failed"}
    assert "no-such-model" in (home / "logs" / "run-bad.log").read_text()
    assert "Traceback" not in (home / "logs" / "run-bad.log").read_text()
    assert not (home / "runs" / "never").exists()


def test_runs_at_the_same_time_have_the_digits_of_runs_alone_and_go_on_without_one(
    engine: Engine,
) -> None:
    assert engine.codes["at once"] == 1
    home = engine.root / "at once"
    ended = {file.name: file.read_text() for file in (home / "statuses").iterdir()}
    assert ended == {
        "bad": "finished:failed",
        "left": "finished:completed",
        "twin": "finished:completed",
    }
    for name in ("left", "twin"):  # as long as "test", which orders carry
        assert lines_of(home, name) == engine.by_loopback["fedproto"]
