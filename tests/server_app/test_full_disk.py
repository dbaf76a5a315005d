"""A disk that fills up: only a checkpoint or a line of the journal ends a run, and says so."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch

from server_app import run_folder
from server_app.checkpoints import Checkpoints
from server_app.run_folder import RunFolder
from strategies.common import tensor_file
from strategies.common.errors import RunFolderError
from strategies.common.round import Picture
from tests.loopback import without_clocks
from tests.server_app.small_federation import Play, player

pytestmark = pytest.mark.federation

FULL = OSError(28, "No space left on device")


@pytest.fixture
def federation(tmp_path: Path) -> Play:
    return partial(player(tmp_path), rounds=3)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what the server logs."""
    texts: list[str] = []
    for module in ("run", "run_folder", "writers.chosen"):
        monkeypatch.setattr(
            f"server_app.{module}.log", lambda _, text, *values: texts.append(text % values)
        )
    return texts


def full(*_: Any, **__: Any) -> Any:
    raise FULL


@pytest.mark.thorough
def test_a_run_goes_on_without_all_that_no_result_depends_on(
    federation: Play, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = federation(2, "undisturbed").play()
    fed = federation(2, "full", writers="tensorboard", report=True)
    write = RunFolder._write
    spared = {"settings.toml", "rounds.jsonl"}
    monkeypatch.setattr(
        RunFolder,
        "_write",
        lambda self, name, text: (write if name in spared else full)(self, name, text),
    )
    monkeypatch.setattr(Path, "write_text", full)
    monkeypatch.setattr("server_app.writers.tensorboard._open", full)
    assert without_clocks(fed.play()) == without_clocks(undisturbed)
    assert {file.name for file in fed.run_folder.iterdir()} == {
        "settings.toml",
        "rounds.jsonl",
        "checkpoints",
    }
    for what in (
        "progress.json left out",
        "clients.json left out",
        "tensorboard failed",
        "no report",
    ):
        assert [what in line for line in told].count(True) == 1, what


def test_pictures_that_cannot_be_saved_are_left_out(tmp_path: Path, told: list[str]) -> None:
    folder = RunFolder(tmp_path, "run")
    (folder.path / "images").write_text("in the way")
    drawn = (Picture("class-0", torch.zeros(3, 2, 2, dtype=torch.uint8)),)
    folder.save_pictures(1, drawn)
    folder.save_pictures(2, drawn)
    assert len(told) == 1
    assert "pictures left out" in told[0]


def fails_in_round(owner: type, name: str, round_number: int) -> Any:
    """Let the disk be full when a method is called for the so-manieth time, and ever after."""
    keep, calls = getattr(owner, name), list[int]()

    def disk(self: object, *values: object) -> None:
        calls.append(1)
        if len(calls) < round_number:
            keep(self, *values)
            return
        with patch.object(os, "fsync", full):
            keep(self, *values)

    return patch.object(owner, name, disk)


@pytest.mark.parametrize(("owner", "name"), [(Checkpoints, "save"), (RunFolder, "append")])
def test_a_round_that_cannot_be_saved_ends_the_run_and_says_what_to_do(
    federation: Play, told: list[str], owner: type, name: str
) -> None:
    undisturbed = federation(2, "undisturbed").play()
    fed = federation(2, "full", report=True)
    with (
        fails_in_round(owner, name, 2),
        # What is written afterwards fails as well, and hides nothing.
        patch("server_app.run.page.write_report", full),
        patch.object(Path, "write_text", full),
        pytest.raises(RunFolderError, match=r"No space left .* free space .* resume=true$"),
    ):
        fed.play()
    assert any("no report" in line for line in told)
    assert [line["round"] for line in fed.lines()] == [1]
    assert list(fed.run_folder.rglob("*.tmp")) == []
    resumed = federation(2, "full", resume=True).play()
    assert without_clocks(resumed) == without_clocks(undisturbed)


def test_a_line_that_did_not_fit_leaves_no_part_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(tmp_path, "run")
    folder.journal.write_text("before\n")
    write: Callable[[int, Any], int] = os.write
    room = [5]

    def little(handle: int, content: Any) -> int:
        if not room:
            raise FULL
        return write(handle, content[: room.pop()])

    monkeypatch.setattr(run_folder, "write_round", lambda _: "a long line")
    monkeypatch.setattr("os.write", little)
    with pytest.raises(RunFolderError, match="resume=true"):
        folder.append(None)  # type: ignore[arg-type]
    assert folder.journal.read_text() == "before\n"


def test_a_journal_that_stays_as_it_is_needs_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(tmp_path, "run")
    folder.forget_after(0)
    monkeypatch.setattr(RunFolder, "_write", full)
    folder.forget_after(0)


def test_a_second_server_is_refused_and_harms_nothing(federation: Play) -> None:
    fed = federation(2, "played")
    before: list[bytes] = []

    def look(node: int, reply: Any) -> Any:
        if reply.metadata.message_type == "train" and node == 101:
            before.append((fed.run_folder / "settings.toml").read_bytes())
            with pytest.raises(RunFolderError, match=r"is played by process \d+ on .* since 20"):
                federation(2, "played", resume=True).play()
            assert (fed.run_folder / "settings.toml").read_bytes() == before[-1]
        return reply

    fed.grid.tamper = look
    assert [line["round"] for line in fed.play()] == [1, 2, 3]
    assert len(before) == 3
    # Neither holds it any more.
    assert len(federation(2, "played", resume=True).play()) == 3


def test_old_checkpoints_that_cannot_be_removed_do_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "unlink", full)
    tensor_file.forget(tmp_path, 1)
