"""What a local federation refuses before it starts anything."""

import io
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from rich.console import Console

from local_federation import command_line
from local_federation.campaign import Campaign
from local_federation.engine.start import Asked
from local_federation.home import Home
from local_federation.host import LocalFederationError
from nectar.places import Places
from server_app.client_list import ClientList, write_clients
from strategies.common.errors import RunFolderError, SettingsError
from strategies.common.inputs import Images
from strategies.common.meaning import Dealt, Meaning
from strategies.common.task import Task
from tests.local_federation.commands import StartedError, command, refusing
from tests.local_federation.left_runs import write_run


def test_more_nodes_than_run_at_once_are_refused_with_the_numbers(tmp_path: Path) -> None:
    cores = os.cpu_count() or 1
    nodes = cores + 5
    campaign = Campaign(tmp_path, nodes, "ray", {"method": "mocosfl"})
    with pytest.raises(LocalFederationError) as refusal:
        campaign.play({"pool": {}}, Console(quiet=True))
    told = str(refusal.value)
    assert f"all {nodes} nodes at work at once" in told
    assert f"{cores} workers runs {cores + 4}" in told
    assert "--engine ray" in told
    each = -(-nodes // cores)
    assert f"--clients {cores}" in told
    assert f"clients-per-node={each}" in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../precious", ".", "a/b", "/tmp/precious"])
def test_names_that_are_places_are_refused_and_nothing_is_removed(
    tmp_path: Path, name: str
) -> None:
    precious = tmp_path / "precious" / "thesis.tex"
    precious.parent.mkdir()
    precious.write_text("years")
    campaign = Campaign(tmp_path / "runs", 2, "engine", {"method": "local"})
    with pytest.raises(SettingsError, match="setting run-name: "):
        campaign.play({name: {}}, Console(quiet=True))
    assert precious.read_text() == "years"
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_a_folder_that_holds_no_run_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "thesis.tex").write_text("years")
    campaign = Campaign(tmp_path, 2, "engine", {"method": "local"})
    with pytest.raises(RunFolderError, match="found something else, which is left alone"):
        campaign.play({"local": {}}, Console(quiet=True))
    assert (tmp_path / "local" / "thesis.tex").read_text() == "years"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"rounds": "abc"}, "setting rounds: "),
        ({"models": "no-such-model"}, "setting models: unknown"),
        ({"generator": "no-such"}, "generator"),
        ({"fedproto.proto-weight": -1.0}, "fedproto.proto-weight"),
        ({"share-class-counts": False}, "share-class-counts: expected true for fedproto"),
        ({"clients-per-node": 2}, "clients-per-node: expected 1 for fedproto"),
        ({"method": "splitfed", "momentum": 0.25}, "momentum: expected 0.* for splitfed"),
        ({"method": "splitfed", "validation-share": 0.1}, "validation-share: expected 0 for"),
        ({"method": "mocosfl", "simulated.dropout": 0.1}, "dropout: expected 0.0 for mocosfl"),
        ({"method": "splitfed", "split.width": 0}, "setting split.width: "),
        ({"method": "feddat", "adapters.learning-rate": -1.0}, "setting adapters.learning-rate: "),
        ({"min-replies": 3}, "min-replies: expected at most 2 with --clients 2, got 3"),
        ({"min-replies": 2, "participation": 0.5}, "min-replies: expected at most 1 with .*0.5"),
    ],
)
def test_a_wrong_setting_is_refused_before_an_earlier_run_is_touched(
    tmp_path: Path, wrong: dict[str, float | str], told: str
) -> None:
    (tmp_path / "earlier").mkdir()
    (tmp_path / "earlier" / "settings.toml").touch()
    campaign = Campaign(tmp_path, 2, "engine", {"method": "fedproto"})
    with pytest.raises(SettingsError, match=told):
        campaign.play({"earlier": wrong}, Console(quiet=True))
    assert [path.name for path in tmp_path.rglob("*")] == ["earlier", "settings.toml"]


def test_a_setting_of_a_table_that_no_run_reads_is_refused_before_anything_starts(
    tmp_path: Path,
) -> None:
    given = {"fedproto.proto-weight": "abc"}
    campaign = Campaign(tmp_path, 2, "engine", given, start_engine=refusing)
    with pytest.raises(SettingsError, match="expected a setting that local or fd reads, got 'abc'"):
        campaign.play({"alone": {"method": "local"}, "fd": {"method": "fd"}}, Console(quiet=True))
    with pytest.raises(SettingsError, match=r"setting fedproto.proto-weight: Input should be a"):
        campaign.play({"fedproto": {"method": "fedproto"}}, Console(quiet=True))
    assert list(tmp_path.iterdir()) == []


def test_a_second_command_of_the_same_name_is_refused_and_others_are_not(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path, 2, "engine", {"method": "local"}, start_engine=refusing)
    with Home(tmp_path, ("local",)).held():
        with pytest.raises(RunFolderError, match=r"local: this run is played by process \d+ on"):
            campaign.play({"local": {}}, Console(quiet=True))
        with pytest.raises(StartedError):
            campaign.play({"other": {}}, Console(quiet=True))


def test_what_is_there_is_gone_on_with_replaced_or_left_alone(tmp_path: Path) -> None:
    asked: list[bool] = []

    def note(runs: Asked) -> NoReturn:
        asked.extend(bool(run["resume"]) for run in runs.runs)
        raise StartedError

    def play(*, replace: bool = False, **settings: bool | int) -> None:
        given = {"method": "local", **settings}
        told = Console(file=io.StringIO(), width=200)
        campaign = Campaign(tmp_path, 2, "engine", given, start_engine=note, replace=replace)
        try:
            campaign.play({"a": {}, "b": {}}, told)
        finally:
            said.append(told.file.getvalue())  # type: ignore[attr-defined]

    said: list[str] = []
    write_run(tmp_path / "a")
    with pytest.raises(RunFolderError, match="a: holds a run already"):
        play()
    assert (tmp_path / "a" / "rounds.jsonl").exists()
    with pytest.raises(StartedError):
        play(resume=True)
    assert asked == [True, False]
    assert (tmp_path / "a" / "rounds.jsonl").exists()
    with pytest.raises(StartedError):
        play(replace=True)
    assert asked[2:] == [False, False]
    assert "a: the run of before is replaced" in said[-1]
    assert not (tmp_path / "a").exists()


def test_a_folder_that_a_server_held_and_did_not_sign_is_begun_anew(tmp_path: Path) -> None:
    run = tmp_path / "local"
    run.mkdir()
    for name in (".in-use", ".probe-7", ".settings.toml.tmp"):
        (run / name).touch()
    given = {"method": "local", "resume": True}
    with pytest.raises(StartedError):
        Campaign(tmp_path, 2, "engine", given, start_engine=refusing).play(
            {"local": {}}, Console(quiet=True)
        )
    assert Places(tmp_path, "other").check(replace=False, resume=False, beside="") is False
    run.mkdir()
    (run / ".probe-7").touch()
    assert Places(tmp_path, "local").check(replace=False, resume=True, beside="") is False


def test_a_run_of_before_that_still_lies_there_is_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(command_line, "end_descendants", lambda _: {})
    monkeypatch.setattr(Home, "clear", stopped)
    write_run(tmp_path / "local")
    words = f"simulate --method local --folder {tmp_path} --replace"
    assert command(monkeypatch, words) == 128 + signal.SIGTERM
    assert capsys.readouterr().out.splitlines()[-1] == f"python -m local_federation {words}"


def test_a_run_that_is_replaced_is_there_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    write_run(tmp_path / "local")
    campaign = Campaign(
        tmp_path, 2, "engine", {"method": "local"}, replace=True, start_engine=refusing
    )
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", stopped)
        with pytest.raises(KeyboardInterrupt):
            campaign.play({"local": {}}, Console(quiet=True))
    assert not (tmp_path / "local").exists()
    with pytest.raises(StartedError):
        campaign.play({"local": {}}, Console(quiet=True))
    assert list(tmp_path.rglob("replaced-*")) == []


@pytest.fixture
def asked() -> list[dict[str, object]]:
    return []


@pytest.fixture
def play(tmp_path: Path, asked: list[dict[str, object]]) -> Callable[..., None]:
    """Ask for a run with a baseline beside it, up to the moment at which it would begin."""

    def note(runs: Asked) -> NoReturn:
        asked.extend(dict(run) for run in runs.runs)
        raise StartedError

    def of(clients: int = 2, **settings: bool | int | str) -> None:
        given = {key.replace("_", "-"): value for key, value in settings.items()}
        campaign = Campaign(tmp_path, clients, "engine", given, start_engine=note)
        runs: dict[str, dict[str, str]] = {
            "fd-local": {"method": "local"},
            "fd": {"method": "fd", "compare-with": "fd-local"},
        }
        campaign.play(runs, Console(quiet=True))

    return of


def test_a_run_goes_back_and_its_baseline_goes_on_or_begins(
    tmp_path: Path, play: Callable[..., None], asked: list[dict[str, object]]
) -> None:
    with pytest.raises(SettingsError, match="resume-from: expected 0 without resume=true, got 1"):
        play(resume_from=1)
    with pytest.raises(SettingsError, match=r"resume-from: expected .*, found none named fd in"):
        play(resume=True, resume_from=1)
    assert list(tmp_path.iterdir()) == []
    write_run(tmp_path / "fd")
    with pytest.raises(StartedError):
        play(resume=True, resume_from=1)
    told = [(run["resume"], run.get("resume-from", 0)) for run in asked]
    assert told == [(False, 0), (True, 1)]
    write_run(tmp_path / "fd-local")
    with pytest.raises(StartedError):
        play(resume=True, resume_from=1)
    told = [(run["resume"], run.get("resume-from", 0)) for run in asked[2:]]
    assert told == [(True, 0), (True, 1)]


@pytest.mark.parametrize("said", ["False", "no", "xyz", "", 1])
def test_resume_is_true_or_false(
    tmp_path: Path, play: Callable[..., None], said: str | int
) -> None:
    write_run(tmp_path / "fd")
    with pytest.raises(SettingsError) as refusal:
        play(resume=said)
    told = f"setting resume: expected a boolean, true or false, got {said!r}"
    assert str(refusal.value) == told
    assert [path.name for path in tmp_path.iterdir()] == ["fd"]


def test_a_run_goes_on_with_as_many_clients_as_its_data_were_dealt_to(
    tmp_path: Path, play: Callable[..., None]
) -> None:
    write_run(tmp_path / "fd")
    dealt = Meaning(dealt=Dealt("digits", "f00", 3))
    task = Task(2, Images(1, 8, 8), 0, meaning=dealt)
    (tmp_path / "fd" / "clients.json").write_text(
        write_clients(ClientList(task.to_values(), (), {}))
    )
    with pytest.raises(SettingsError, match=r"--clients: expected 3 to go on with .*fd, .* got 4"):
        play(clients=4, resume=True)
    with pytest.raises(StartedError):
        play(clients=3, resume=True)
