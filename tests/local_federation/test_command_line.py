"""What commands refuse before they start anything, and what they leave however they end."""

import errno
import os
import signal
from pathlib import Path
from typing import Any, NoReturn

import pytest

from local_federation import command_line
from local_federation.adapter_demo import ADAPTER_SETTINGS
from local_federation.campaign import Campaign
from local_federation.demo import DEMO_SETTINGS
from local_federation.engine.start import Asked
from local_federation.host import LocalFederationError
from local_federation.split_demo import SPLIT_SETTINGS
from local_federation.text_demo import TEXT_SETTINGS
from tests.local_federation.commands import StartedError, command


@pytest.mark.parametrize(
    "key", ["method", "run-name", "runs-dir", "state-dir", "min-nodes", "compare-with"]
)
@pytest.mark.parametrize("kind", ["simulate", "deploy", "demo", "compare --methods fd"])
def test_settings_that_options_decide_are_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: str,
    key: str,
) -> None:
    assert command(monkeypatch, f"{kind} --folder {tmp_path} --set {key}=1") == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("failed: ")
    assert key in last
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("simulate --set rounds=abc", "setting rounds: "),
        ("simulate --set colour=red", "failed: unknown setting colour"),
        ("simulate --method fedadapter --set rounds=abc", "setting rounds: "),
        ("demo-adapters --set rounds=abc", "setting rounds: "),
        ("demo-split --set mocosfl.probe-epochs=0", "expected at least 1 for demo-split"),
        ("simulate --set models=[a]", "failed: setting models: "),
        ("simulate --set resume=False", "failed: setting resume: expected a boolean, true or f"),
        ("deploy --set resume=no", "failed: setting resume: expected a boolean, true or false, go"),
        ("attach --superlink a:1 --set resume=1", "setting resume: expected a boolean, true or f"),
        ("demo --set resume=xyz", "failed: setting resume: expected a boolean, true or false, got"),
        ("compare --methods fd --set resume=no", "setting resume: expected none, since a compari"),
        ("deploy --replace --set resume=true", "got both; leave one out"),
    ],
)
def test_what_cannot_begin_is_told_in_one_line_before_anything_is_made(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
    told: str,
) -> None:
    assert command(monkeypatch, f"{words} --folder {tmp_path}") == 1
    assert told in capsys.readouterr().out.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("address", ["cloud", ":8000", "cloud:", "cloud:0", "cloud:70000"])
def test_a_superlink_is_a_host_and_a_port(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], address: str
) -> None:
    with pytest.raises(SystemExit):
        command(monkeypatch, f"attach --superlink {address}")
    assert f"such as 127.0.0.1:8000, got '{address}'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "own"),
    [
        ("simulate --method fd", {}),
        ("simulate --method mocosfl --clients 2", {}),
        ("demo", DEMO_SETTINGS),
        ("demo-text", TEXT_SETTINGS),
        ("demo-split", SPLIT_SETTINGS),
        ("demo-adapters --set adapters.backbone=folder:x", ADAPTER_SETTINGS),
        ("simulate --method feddat --set adapters.backbone=folder:x", ADAPTER_SETTINGS),
    ],
)
def test_what_is_played_was_typed_or_is_told_or_is_the_apps_default(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
    own: dict[str, bool | int | float | str],
) -> None:
    asked: list[Asked] = []

    def note(runs: Asked) -> NoReturn:
        asked.append(runs)
        raise StartedError

    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").mkdir()
    with pytest.raises(StartedError):
        command(monkeypatch, f"{words} --folder {tmp_path} --set rounds=7 --set seed=3", note)
    (line,) = [
        *(said for said in capsys.readouterr().out.splitlines() if "settings of" in said),
        *([] if own else [""]),
    ]
    decided = {"method", "run-name", "runs-dir", "state-dir", "min-nodes", "compare-with", "resume"}
    for run in asked[0].runs:
        assert (run["rounds"], run["seed"]) == (7, 3)
        theirs = run.keys() - decided - {"rounds", "seed", "adapters.backbone"}
        assert theirs - {"fedadapter.shared-rounds"} == own.keys() - decided - {"rounds"}
        for key in own.keys() - {"rounds"}:
            assert f"{key}={own[key]}" in line
            assert key == "method" or run[key] == own[key]


def test_a_place_is_told_as_it_was_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = f"simulate --method feddat --folder {tmp_path} --set adapters.backbone=folder:x"
    assert command(monkeypatch, words) == 1
    assert "backbone folder:x: expected a folder at" in capsys.readouterr().out


def test_no_backbone_is_made_for_data_without_questions(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = f"simulate --method feddat --folder {tmp_path / 'here'} --set data=digits"
    assert command(monkeypatch, words) == 1
    assert "expected questions about images for method fed" in capsys.readouterr().out
    assert not (tmp_path / "here" / "backbones").exists()


@pytest.mark.parametrize("kind", ["simulate", "compare --methods fd"])
def test_a_folder_may_begin_with_a_home_folder(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    kind: str,
) -> None:
    (tmp_path / "photos").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    # It is told where that is: within the data.
    words = f"{kind} --folder ~/photos --set data=images:{tmp_path}"
    assert command(monkeypatch, words) == 1
    told = capsys.readouterr().out
    assert "setting runs-dir: expected a place outside the data" in told
    assert str(tmp_path / "photos") in told
    assert not (tmp_path / "~").exists()
    assert command(monkeypatch, f"{kind} --folder ~nosuch/runs") == 1
    assert "--folder ~nosuch/runs: expected a home folder of that" in capsys.readouterr().out


@pytest.mark.parametrize("number", ["0", "-1", "many"])
def test_a_federation_has_clients(monkeypatch: pytest.MonkeyPatch, number: str) -> None:
    with pytest.raises(SystemExit):
        command(monkeypatch, f"simulate --clients={number}")


def test_being_stopped_ends_with_the_command_that_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(_: Asked) -> NoReturn:
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError

    monkeypatch.setattr(command_line, "end_descendants", lambda _: {})
    words = f"simulate --method local --name x --folder {tmp_path}"
    assert command(monkeypatch, words, stopped) == 128 + signal.SIGTERM
    *_, before, last = capsys.readouterr().out.splitlines()
    assert "everything that was started has been ended" in before
    assert last == f"python -m local_federation {words} --set resume=true"


@pytest.mark.parametrize("raised", [LocalFederationError("no\nroom"), ValueError("a bug"), None])
def test_however_a_command_ends_what_it_started_is_ended(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    raised: Exception | None,
) -> None:
    def play(*_: object) -> None:
        if raised:
            raise raised

    ended: list[float] = []
    left = {4711: "ray::ClientAppA"}
    monkeypatch.setattr(command_line, "end_descendants", lambda s: ended.append(s) or left)
    monkeypatch.setattr(command_line, "_play", play)
    words = f"simulate --folder {tmp_path}"
    if isinstance(raised, ValueError):
        with pytest.raises(ValueError, match="a bug"):
            command(monkeypatch, words)
        assert len(ended) == 1
        return
    assert command(monkeypatch, words) == bool(raised)
    *_, before, last = capsys.readouterr().out.splitlines()
    assert before == "these processes do not end: ray::ClientAppA (4711)"
    assert last == "failed: no room" if raised else last.startswith("done in ")
    assert len(ended) == 1


def test_what_is_raised_on_the_way_out_does_not_keep_anything_from_being_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(_: Asked) -> NoReturn:
        try:
            os.kill(os.getpid(), signal.SIGHUP)
        finally:  # bars are drawn on a terminal that is closed
            raise OSError(errno.EIO, "Input/output error")

    ended: list[float] = []
    monkeypatch.setattr(command_line, "end_descendants", lambda s: ended.append(s) or {})
    assert command(monkeypatch, f"simulate --folder {tmp_path}", stopped) == 128 + signal.SIGHUP
    assert len(ended) == 1
    assert capsys.readouterr().out.endswith("--set resume=true\n")


@pytest.mark.parametrize(("option", "names"), [("", ["x-local", "x"]), ("--no-baseline", ["x"])])
def test_a_run_may_be_played_without_its_baseline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, names: list[str]
) -> None:
    played: list[dict[str, Any]] = []
    monkeypatch.setattr(Campaign, "play", lambda _, runs, __: played.append(runs))
    monkeypatch.setattr(Campaign, "show", lambda *_: None)
    words = f"simulate --method fedproto --name x --folder {tmp_path} {option}"
    assert command(monkeypatch, words.strip()) == 0
    assert [list(runs) for runs in played] == [names]
    assert played[0]["x"]["compare-with"] == ("x-local" if len(names) == 2 else "")
