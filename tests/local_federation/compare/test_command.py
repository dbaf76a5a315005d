"""The command, with a player that writes runs instead of playing them."""

import argparse
import errno
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from local_federation import adapter_demo
from local_federation.compare import command
from local_federation.compare.home import StudyHome
from local_federation.compare.play import Failed
from local_federation.compare.study import PlannedRun
from local_federation.engine.resources import Resources
from local_federation.engine.start import start_process
from local_federation.host import LocalFederationError
from server_app.compare.arms import read_arms
from server_app.report.document import document
from server_app.report.markup import Html
from strategies.common.errors import RunFolderError, SettingsError
from strategies.common.run_config import default_config
from tests.server_app.run_folders import round_of, write_run

Play = Callable[..., str]


class Player:
    """Writes three rounds of each run, and fails those whose name it is told."""

    played: list[str]
    failing: frozenset[str] = frozenset()

    def __init__(self, home: StudyHome, num_clients: int, *_: Any, drop_models: bool) -> None:
        self.home, self.num_clients = home, num_clients

    def play(self, runs: Sequence[PlannedRun]) -> list[Failed]:
        type(self).played = [run.name for run in runs]
        for run in runs:
            if run.name not in self.failing:
                settings = self.home.whole_settings(run, self.num_clients)
                rounds = [round_of(n, (0.5, 0.5), method=run.method) for n in (1, 2, 3)]
                whole = {**default_config(), **settings}
                write_run(self.home.path(run), rounds, method=run.method, settings=whole)
        failed = [run for run in runs if run.name in self.failing]
        return [Failed(run, self.home.folder / "its.log", "out of memory") for run in failed]


@pytest.fixture
def compare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Run the command with words, and return what it says."""
    monkeypatch.setattr(command, "StudyPlayer", Player)
    monkeypatch.setattr(Player, "played", [], raising=False)
    # The page has tests of its own.
    monkeypatch.setattr(command, "write_comparison", written)
    monkeypatch.setattr(command, "write_report", lambda run: (run / "report.html").write_text("."))

    def run(*words: str) -> str:
        parser = argparse.ArgumentParser()
        command.add_arguments(parser, tmp_path)
        own = [] if any(word.startswith("rounds=") for word in words) else ["--set", "rounds=3"]
        arguments = parser.parse_args(["--clients", "2", *own, *words])
        told = Console(file=io.StringIO(), width=200)
        try:
            command.play(arguments, Resources(), start_process, told)
        finally:
            said = told.file.getvalue()  # type: ignore[attr-defined]
        return str(said)

    return run


def written(runs: Sequence[Path], out: Path, *, reach: float | None = None) -> Path:
    page = out / "compare.html"
    page.write_text(document("", Html(f"{[run.name for run in runs]} {reach}")))
    return page


def test_a_plan_is_shown_and_nothing_is_made(compare: Play, tmp_path: Path) -> None:
    said = compare("--methods", "fd", "--seeds", "0-1", "--dry-run")
    for name in ("local-seed0", "fd-seed0", "local-seed1", "fd-seed1"):
        assert name in said
    assert "4 runs to play, time unknown; known once a run like these has been played" in said
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_was_ended_before_its_report_gets_one(compare: Play, tmp_path: Path) -> None:
    compare("--methods", "fd", "--seeds", "0")
    report = tmp_path / "comparison" / "fd-seed0" / "report.html"
    report.unlink()
    compare("--methods", "fd", "--seeds", "0")
    assert Player.played == ["local-seed0", "fd-seed0"]  # of the first time
    assert report.exists()


def test_only_what_is_left_is_played_and_the_plan_knows_how_long(
    compare: Play, tmp_path: Path
) -> None:
    said = compare("--methods", "fd", "--seeds", "0", "--reach", "0.8")
    assert Player.played == ["local-seed0", "fd-seed0"]
    page = tmp_path / "comparison" / "compare.html"
    assert "['local-seed0', 'fd-seed0'] 0.8" in page.read_text()
    assert f"comparison: {page}" in said

    # Three rounds of 4 s each, and 4 s to start.
    said = compare("--methods", "fd", "--seeds", "0-1", "--at-once", "1", "--dry-run")
    assert said.count("finished") == 2
    assert "2 runs to play, about 32 s" in said

    compare("--methods", "fd", "--seeds", "0-1")
    assert Player.played == ["local-seed1", "fd-seed1"]
    compare("--methods", "fd", "--seeds", "0-1")
    assert Player.played == ["local-seed1", "fd-seed1"]
    assert "fd-seed1" in page.read_text()


def test_what_is_varied_is_not_fixed_by_settings_of_the_commands_own(
    compare: Play, tmp_path: Path
) -> None:
    said = compare(
        *("--methods", "feddat", "--seeds", "0", "--grid", "adapters.rank=2,4"),
        *("--set", f"adapters.backbone=folder:{tmp_path}"),
    )
    assert {"feddat-rank=2-seed0", "feddat-rank=4-seed0"} <= set(Player.played)
    (told,) = [line for line in said.splitlines() if line.startswith("settings of adapters: ")]
    assert "batch-size=32" in told
    assert "rank" not in told


def test_a_run_that_was_cut_off_goes_on(compare: Play, tmp_path: Path) -> None:
    compare("--methods", "local", "--seeds", "0")
    journal = tmp_path / "comparison" / "local-seed0" / "rounds.jsonl"
    journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:2]))
    said = compare("--methods", "local", "--seeds", "0", "--dry-run")
    assert "goes on" in said


def test_failed_runs_are_named_and_the_others_compared(
    compare: Play, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Player, "failing", frozenset({"fd-seed1"}))
    with pytest.raises(LocalFederationError, match=r"1 of 4 runs failed(?s:.*)fd-seed1 .*its.log"):
        compare("--methods", "fd", "--seeds", "0-1")
    assert "local-seed1" in (tmp_path / "comparison" / "compare.html").read_text()


def test_a_page_of_somebody_else_is_refused_before_anything_is_played(
    compare: Play, tmp_path: Path
) -> None:
    compare("--methods", "local", "--seeds", "0")
    (tmp_path / "comparison" / "compare.html").write_text("mine")
    for more in ([], ["--dry-run"]):
        with pytest.raises(RunFolderError, match=r"got one with compare\.html, which would be"):
            compare("--methods", "local", "--seeds", "0-1", *more)
    assert Player.played == ["local-seed0"]


def test_other_settings_under_the_same_name_are_refused(compare: Play) -> None:
    compare("--methods", "fd", "--seeds", "0")
    with pytest.raises(RunFolderError, match=r"rounds was 3 and is 4; choose another --name"):
        compare("--methods", "fd", "--seeds", "0", "--set", "rounds=4")
    with pytest.raises(RunFolderError, match=r"clients was 2 and is 3"):
        compare("--methods", "fd", "--seeds", "0", "--clients", "3")
    with pytest.raises(RunFolderError, match=r"test-fraction was 'not set' and is 0.5"):
        compare("--methods", "fd", "--seeds", "0", "--set", "test-fraction=0.5")
    with pytest.raises(RunFolderError, match=r"was begun with other settings: rounds was 3"):
        compare("--methods", "fd", "--seeds", "0", "--set", "rounds=4", "--dry-run")
    compare("--methods", "fd", "--seeds", "0", "--set", "rounds=4", "--name", "longer")


def test_a_run_of_other_settings_that_has_the_same_name_is_no_run_of_this_comparison(
    compare: Play,
) -> None:
    words = "--methods", "fedktl", "--seeds", "0"
    compare(*words, "--grid", "oriented.image-size=32")
    told = r"fedktl-image-size=32-seed0: expected a run with image-size 32, got 0, which has the"
    for more in ((), ("--dry-run",)):
        with pytest.raises(RunFolderError, match=told):
            compare(*words, "--grid", "image-size=32", *more)
    said = compare(*words, "--grid", "oriented.image-size=32", "--dry-run")
    assert said.count("finished") == 2


def test_a_plan_of_adapters_knows_the_settings_that_are_played(
    compare: Play, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter_demo, "backbone_in", lambda *_: None)
    words = "--methods", "feddat", "--seeds", "0", "--set", "adapters.rank=2"
    (backbone := adapter_demo.loading.cache_folder(tmp_path) / "digitgrid").mkdir(parents=True)
    compare(*words)
    assert compare(*words, "--dry-run").count("finished") == 2
    with pytest.raises(RunFolderError, match=r"batch-size was 32 and is 64"):
        compare(*words, "--set", "batch-size=64", "--dry-run")
    assert list(backbone.iterdir()) == []


def test_data_without_questions_are_refused_before_a_backbone_is_made(
    compare: Play, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = adapter_demo.loading.cache_folder(tmp_path) / "digitgrid"
    monkeypatch.setattr(
        adapter_demo, "backbone_in", lambda *_: backbone.mkdir(parents=True, exist_ok=False)
    )
    words = "--methods", "feddat", "--seeds", "0"
    with pytest.raises(SettingsError, match="expected questions about images for method fed"):
        compare(*words, "--set", "data=digits")
    with pytest.raises(SettingsError, match="batch-size: expected in --set or in --grid, got it"):
        compare(*words, "--set", "batch-size=8", "--grid", "batch-size=8,16")
    assert not backbone.exists()
    compare(*words, "--grid", "batch-size=8,16")
    assert len(Player.played) == 4


@pytest.mark.parametrize("text", ["", '{"clients": 2,', "[]"])
def test_a_comparison_whose_settings_are_damaged_is_not_gone_on_with(
    compare: Play, tmp_path: Path, text: str
) -> None:
    compare("--methods", "fd", "--seeds", "0")
    mark = tmp_path / "comparison" / ".comparison"
    mark.write_text(text)
    with pytest.raises(RunFolderError, match=r"\.comparison: expected the settings of all runs"):
        compare("--methods", "fd", "--seeds", "0", "--set", "rounds=4")
    assert mark.read_text() == text


def test_what_a_full_disk_cuts_off_is_begun_anew(
    compare: Play, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: object, **__: object) -> None:
        path.write_bytes(b'{"cli')
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(RunFolderError, match="No space left on device"):
            compare("--methods", "fd", "--seeds", "0")
    assert [*(tmp_path / "comparison").iterdir()] == []
    for left in (".in-use", "..comparison.tmp"):  # of one that was killed
        (tmp_path / "comparison" / left).write_text("ha")
    compare("--methods", "fd", "--seeds", "0")
    assert Player.played == ["local-seed0", "fd-seed0"]


def test_settings_may_be_mended_as_long_as_no_round_was_played(
    compare: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Player, "failing", frozenset({"local-seed0", "fd-seed0"}))
    with pytest.raises(LocalFederationError, match="2 of 2 runs failed"):
        compare("--methods", "fd", "--seeds", "0", "--set", "max-samples=1")
    monkeypatch.setattr(Player, "failing", frozenset())
    compare("--methods", "fd", "--seeds", "0", "--set", "max-samples=40")
    assert Player.played == ["local-seed0", "fd-seed0"]


def test_a_folder_that_holds_something_else_is_left_alone(compare: Play, tmp_path: Path) -> None:
    precious = tmp_path / "comparison" / "thesis.tex"
    precious.parent.mkdir()
    precious.write_text("years")
    with pytest.raises(RunFolderError, match="found something else; choose another --name"):
        compare("--methods", "fd")
    assert [path.name for path in precious.parent.iterdir()] == ["thesis.tex"]


def test_two_at_work_on_one_comparison_are_refused(compare: Play, tmp_path: Path) -> None:
    with (
        StudyHome(tmp_path / "comparison").held({"rounds": 3}, 2),
        pytest.raises(RunFolderError, match="another process is at work"),
    ):
        compare("--methods", "fd")


def test_a_comparison_within_the_data_is_refused(compare: Play, tmp_path: Path) -> None:
    data = f"data=images:{tmp_path}"
    with pytest.raises(SettingsError, match="setting runs-dir: expected a place outside the data"):
        compare("--methods", "fd", "--set", data, "--dry-run")


@pytest.mark.parametrize("reach", ["2", "0", "-0.5", "nan", "high"])
def test_an_accuracy_that_none_can_reach_is_refused_before_anything_is_played(
    compare: Play, capsys: pytest.CaptureFixture[str], reach: str
) -> None:
    with pytest.raises(SystemExit):
        compare("--methods", "fd", f"--reach={reach}")
    assert f"expected an accuracy above 0, at most 1, got '{reach}'" in capsys.readouterr().err
    assert Player.played == []


def test_a_grid_that_no_method_reads_is_refused_with_the_plan(compare: Play) -> None:
    grid = "fedproto.proto-weight=1,2"
    with pytest.raises(SettingsError, match="expected a setting that local or fd reads, got 1"):
        compare("--methods", "fd", "--seeds", "0", "--dry-run", "--grid", grid)


def test_a_name_that_no_folder_can_have_is_refused(compare: Play) -> None:
    with pytest.raises(RunFolderError, match=r"File name too long\); name another --folder or"):
        compare("--methods", "fd", "--name", "n" * 300)


@pytest.mark.parametrize("name", ["../precious", "/tmp", ".", "a/b", ""])
def test_names_that_are_places_are_refused(compare: Play, name: str) -> None:
    with pytest.raises(LocalFederationError, match="--name: expected the name of a folder"):
        compare("--methods", "fd", "--name", name)


def test_models_of_ended_runs_are_removed_where_that_is_asked_for(
    compare: Play, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Player, "failing", frozenset({"fd-seed0"}))
    monkeypatch.setattr(command, "_MUCH", 3)
    states = tmp_path / "comparison" / ".federation" / "state"
    for name in ("local-seed0", "fd-seed0", "prepared"):
        (states / name / "0").mkdir(parents=True)
        (states / name / "0" / "round-000003.safetensors").write_bytes(b"1234")
    (tmp_path / "comparison" / ".comparison").touch()
    with pytest.raises(LocalFederationError, match="1 of 2 runs failed"):
        compare("--methods", "fd", "--seeds", "0")
    assert {path.name for path in states.iterdir()} == {"local-seed0", "fd-seed0", "prepared"}
    # Of a run that is to go on, and of data, nothing goes.
    with pytest.raises(LocalFederationError, match="1 of 2 runs failed"):
        compare("--methods", "fd", "--seeds", "0", "--drop-models")
    assert {path.name for path in states.iterdir()} == {"fd-seed0", "prepared"}
    monkeypatch.setattr(Player, "failing", frozenset())
    said = compare("--methods", "fd", "--seeds", "0")
    assert "clients' models take 4 B; the same command with --drop-models" in said


@pytest.mark.parametrize(
    "varied",
    [
        "simulated.dropout=0.0,0.3",
        "simulated.link-mbit=0.0,10.0",
        "generator=oriented,noise",
        "min-replies=1,2",
        "round-deadline-s=60.0,90.0",
        "learning-rate=0.1,0.2",
    ],
)
def test_runs_of_whatever_grid_are_rows_of_a_page(
    compare: Play, tmp_path: Path, varied: str
) -> None:
    compare("--methods", "fd", "--seeds", "0-1", "--grid", varied)
    folders = [tmp_path / "comparison" / name for name in Player.played]
    arms = read_arms(folders)
    assert [(arm.method, list(arm.runs)) for arm in arms] == [
        *[("local", [0, 1])] * 2,
        *[("fd", [0, 1])] * 2,
    ]


def test_more_replies_than_clients_are_refused_before_anything_starts(
    compare: Play, tmp_path: Path
) -> None:
    with pytest.raises(
        SettingsError, match="min-replies: expected at most 2 with --clients 2, got"
    ):
        compare("--methods", "fd", "--grid", "min-replies=1,3")
    assert list(tmp_path.iterdir()) == []
