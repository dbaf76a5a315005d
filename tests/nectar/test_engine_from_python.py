"""Plays by the engine: what it is asked for, how its failures arrive, and that it is stopped."""

import json
from pathlib import Path
from typing import Any, final

import pytest

from local_federation.engine.resources import Resources
from local_federation.host import COMPLETED, FAILED, LocalFederationError
from nectar import play, playing
from strategies.common.errors import FederationError

SETTINGS_ONLY: dict[str, Any] = {"method": "local", "rounds": 1}
QUIET: dict[str, Any] = {"quiet": True}


@final
class StandIn:
    """An engine that writes a folder at once; also a run of it."""

    def __init__(self, home: Path, clients: int, resources: Resources, ends: str) -> None:
        self.home, self.clients, self.resources, self.ends = home, clients, resources, ends
        self.log = home / "log"
        self.done: list[str] = []

    def check(self, runs: list[dict[str, Any]]) -> None:
        (self.run,) = runs

    def start(self, console: object) -> None:
        self.done.append("start")
        if self.ends == "late":
            raise LocalFederationError("it did not come up")

    def play(self, settings: dict[str, Any]) -> "StandIn":
        self.run = settings
        folder = Path(settings["runs-dir"]) / settings["run-name"]
        folder.mkdir(parents=True)
        (folder / "settings.toml").write_text('[settings]\nmethod = "local"\n')
        return self

    def ended(self, timeout_s: float) -> str:
        return self.ends

    def tail(self, lines: int) -> str:
        return "min-nodes=5: too few"

    def stop(self) -> None:
        self.done.append("stop")


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> tuple[list[StandIn], list[str]]:
    """Return the engines that were made, and how the next ones end, the last first."""
    made: list[StandIn] = []
    ends: list[str] = []

    def make(home: Path, clients: int, resources: Resources) -> StandIn:
        made.append(StandIn(home, clients, resources, ends.pop() if ends else COMPLETED))
        return made[-1]

    monkeypatch.setattr(playing, "EngineHost", make)
    return made, ends


Engines = tuple[list[StandIn], list[str]]


def test_the_engine_is_asked_for_every_setting(engines: Engines, tmp_path: Path) -> None:
    run = play(SETTINGS_ONLY, clients=7, workers=3, folder=tmp_path, name="first", **QUIET)
    (engine,) = engines[0]
    assert engine.resources == Resources(3, 0.0)
    assert engine.clients == engine.run["min-nodes"] == 7
    assert engine.run["runs-dir"] == str(tmp_path)
    assert engine.run["state-dir"] == str(tmp_path / ".nectar" / "state")
    assert engine.run["resume"] is False
    assert json.loads(json.dumps(engine.run)) == engine.run
    assert engine.done == ["start", "stop"]
    assert run.folder == tmp_path / "first"


def test_as_many_workers_as_cores_are_the_default(engines: Engines, tmp_path: Path) -> None:
    play(SETTINGS_ONLY, folder=tmp_path, **QUIET)
    assert engines[0][0].resources == Resources(0, 0.0)


def test_what_another_run_left_is_not_taken_for_this_one_s(
    engines: Engines, tmp_path: Path
) -> None:
    status = tmp_path / ".nectar" / "engine" / "local" / "statuses" / "local"
    status.parent.mkdir(parents=True)
    status.write_text(COMPLETED)
    play(SETTINGS_ONLY, folder=tmp_path, **QUIET)
    assert not status.exists()


@pytest.mark.parametrize(("ends", "told"), [(FAILED, "too few"), ("late", "did not come up")])
def test_a_failure_is_nectars_and_the_engine_is_stopped(
    engines: Engines, tmp_path: Path, ends: str, told: str
) -> None:
    engines[1].append(ends)
    with pytest.raises(FederationError, match=told):
        play(SETTINGS_ONLY, folder=tmp_path, **QUIET)
    assert engines[0][0].done == ["start", "stop"]


def test_who_interrupts_is_told_how_to_go_on(
    engines: Engines,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(StandIn, "play", interrupted)
    with pytest.raises(KeyboardInterrupt):
        play(SETTINGS_ONLY, folder=tmp_path)
    assert engines[0][0].done == ["start", "stop"]
    told = "stopped: with resume=True it goes on after its last complete round\n"
    assert capsys.readouterr().out.endswith(told)
