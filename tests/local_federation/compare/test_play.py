"""How a comparison's runs are followed, with a host that plays nothing."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from local_federation.compare import play
from local_federation.compare.home import StudyHome
from local_federation.compare.play import StudyPlayer
from local_federation.compare.study import PlannedRun, Study
from local_federation.engine.resources import Resources
from local_federation.engine.start import start_process
from local_federation.host import COMPLETED, FAILED
from tests.server_app.run_folders import round_of, write_run


class Ending:
    """A run that goes on for some looks and then ends."""

    def __init__(self, folder: Path, looks: int) -> None:
        self.folder, self.looks = folder, looks
        self.log = folder.parent / "its.log"

    def ended(self, timeout_s: float) -> str | None:
        assert timeout_s == 0.0
        self.looks -= 1
        if self.looks > 0:
            now = {"round": 2, "rounds": 3, "phase": "training", "done": 1, "total": 2}
            self.folder.mkdir(exist_ok=True)
            (self.folder / "progress.json").write_text(json.dumps(now))
            return None
        if "fd" in self.folder.name:
            return FAILED
        (self.folder / "progress.json").unlink()
        self.folder.rmdir()
        write_run(self.folder, [round_of(n, (0.5, 0.9)) for n in (1, 2, 3)], method="local")
        return COMPLETED

    def tail(self, lines: int) -> str:
        return f"the last {lines} lines"


class Host:
    """Ends runs after two looks, or after more."""

    stopped = 0

    def __init__(self, home: Path, num_clients: int, resources: Resources, **more: Any) -> None:
        assert more == {"at_once": 2, "go_on": True, "start_engine": start_process}
        assert (num_clients, resources) == (2, Resources(1))
        self.home = home

    def check(self, runs: Sequence[dict[str, Any]]) -> None:
        assert [run["resume"] for run in runs] == [False, False]
        assert all(run["state-dir"] == str(self.home / "state") for run in runs)

    def start(self, console: Console) -> None:
        assert not list((self.home / "statuses").glob("*"))

    def play(self, settings: dict[str, Any]) -> Ending:
        return Ending(self.home.parent / str(settings["run-name"]), looks=3)

    def stop(self) -> None:
        Host.stopped += 1


@pytest.fixture
def runs() -> tuple[PlannedRun, ...]:
    return Study(("fd",), (0,), {}, {"rounds": 3}).runs()


def test_ends_are_told_and_failures_returned_with_their_logs(
    tmp_path: Path, runs: tuple[PlannedRun, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(play, "EngineHost", Host)
    monkeypatch.setattr(play, "_POLL_S", 0.0)
    monkeypatch.setattr(play, "_TELL_S", 0.0)
    (tmp_path / ".federation" / "statuses").mkdir(parents=True)
    (tmp_path / ".federation" / "statuses" / "fd-seed0").write_text(COMPLETED)
    told = Console(file=io.StringIO(), width=200)
    home = StudyHome(tmp_path)
    states = tmp_path / ".federation" / "state"
    for name in ("fd-seed0", "local-seed0"):
        (states / name / "0").mkdir(parents=True)

    player = StudyPlayer(home, 2, Resources(1), 2, start_process, told, drop_models=True)
    (failed,) = player.play(runs)

    assert (failed.run.name, failed.reason) == ("fd-seed0", "the last 1 lines")
    said = told.file.getvalue()  # type: ignore[attr-defined]
    assert "0 of 2 runs · local-seed0 round 2/3 (training 1/2), fd-seed0 round 2/3" in said
    # 10 samples at 0.5 and 30 at 0.9; three rounds of 4 s.
    assert "local-seed0: accuracy 0.800 after 3 rounds, 12 s" in said
    assert "fd-seed0: failed" in said
    assert Host.stopped == 1
    assert home.finished(runs[0])
    assert not home.finished(runs[1])
    assert [path.name for path in states.iterdir()] == ["fd-seed0"]
