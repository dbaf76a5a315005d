"""A run's folder: one run each, resumed only as it began, and never half written."""

import json
import platform
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from server_app import run_folder
from server_app.client import Client
from server_app.journal import RoundLine, read_round, write_round
from server_app.journal_file import Row, read_rows
from server_app.run_folder import RunFolder
from strategies.common.errors import RunFolderError
from strategies.common.inputs import Images
from strategies.common.round import Picture
from strategies.common.run_config import app_version
from strategies.common.task import Task
from strategies.common.transport.control import Description
from tests.server_app.run_folders import CONFIG

Value = bool | int | float | str

TASK = Task(10, Images(1, 8, 8), 16)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "runs", "run-1")


def line(number: int, accuracy: float | None = 0.5, notes: tuple[str, ...] = ()) -> RoundLine:
    return RoundLine(
        number, "local", "", {}, accuracy, None, None, None, (), None, None, {}, {}, notes, {}, {}
    )


def lines(*rounds: int) -> str:
    return "".join(f"{write_round(line(number))}\n" for number in rounds)


def client(partition: int, **changes: object) -> Client:
    values: dict[str, object] = {
        "partition": partition,
        "num_partitions": 3,
        "model": "cnn",
        "num_classes": 10,
        "inputs": "images",
        "sizes": [1, 8, 8],
        "feature_dim": 16,
        "foundation": "",
        "rank": 0,
        "places": [],
        "class_names": ["zero", "one"],
        "train_samples": 30,
        "test_samples": 10,
        "train_counts": [10, 20],
        "test_counts": [4, 6],
        "clients": 1,
        "figures": {},
        "notes": ["small"],
    }
    return Client(100 + partition, Description.model_validate(values | changes))


def test_a_run_begins_with_its_settings_and_versions(folder: RunFolder) -> None:
    folder.begin(CONFIG)
    saved = tomllib.loads((folder.path / "settings.toml").read_text())
    assert saved["settings"] == CONFIG
    assert saved["versions"]["torch"] == version("torch")
    assert saved["versions"]["flwr"] == version("flwr")
    assert saved["versions"]["nectar"] == app_version()
    assert saved["versions"]["python"] == platform.python_version()
    # The date is the run's, whenever it goes on.
    before = (folder.path / "settings.toml").read_bytes()
    folder.check_resumable(CONFIG)
    assert (folder.path / "settings.toml").read_bytes() == before
    assert abs((datetime.now(UTC) - saved["started"]).total_seconds()) < 60
    assert folder.last_round() == 0


def test_a_folder_that_holds_a_run_is_not_begun_again(folder: RunFolder, tmp_path: Path) -> None:
    folder.begin(CONFIG)
    folder.append(line(1))
    with pytest.raises(RunFolderError, match=r"holds a run already; set resume=true .* run-name"):
        RunFolder(tmp_path / "runs", "run-1").begin({**CONFIG, "seed": 1})
    assert tomllib.loads((folder.path / "settings.toml").read_text())["settings"]["seed"] == 0
    RunFolder(tmp_path / "runs", "run-2").begin(CONFIG)


def test_a_run_that_never_completed_a_round_may_begin_again(folder: RunFolder) -> None:
    folder.begin(CONFIG)
    folder.save_clients(TASK, {0: client(0), 4: client(4)})
    again = RunFolder(folder.path.parent, "run-1")
    again.begin({**CONFIG, "seed": 1})
    assert tomllib.loads((folder.path / "settings.toml").read_text())["settings"]["seed"] == 1
    # Client 4 belonged to the attempt before.
    again.save_clients(TASK, {0: client(0)})
    assert list(json.loads((folder.path / "clients.json").read_text())["clients"]) == ["0"]


@pytest.mark.parametrize("place", ["a-file/runs", "a-file"])
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "a-file").write_text("x")
    with pytest.raises(RunFolderError, match=r"cannot be written .* with runs-dir") as caught:
        RunFolder(tmp_path / place, "run-1")
    assert str(tmp_path / place / "run-1") in str(caught.value)


def test_the_probe_of_the_folder_leaves_nothing(folder: RunFolder) -> None:
    assert list(folder.path.iterdir()) == []


@pytest.mark.parametrize(
    "content", [None, b"", b"not = [toml", b"[versions]\nflwr = '1'\n", b"\xff\xfe["]
)
def test_there_must_be_something_to_resume(folder: RunFolder, content: bytes | None) -> None:
    if content is not None:
        (folder.path / "settings.toml").write_bytes(content)
    with pytest.raises(RunFolderError, match="holds no run to resume; check run-name"):
        folder.check_resumable(CONFIG)


def test_the_journal_grows_by_whole_lines(folder: RunFolder) -> None:
    first, second = line(1, 0.25, ("Grüße\u2028\n",)), line(2, None)
    folder.append(first)
    folder.append(second)
    assert folder.last_round() == 2
    rows = [read_round(json.loads(row), "") for row in folder.journal.read_text().splitlines()]
    assert rows == [first, second]


def test_no_number_of_the_journal_is_nan(folder: RunFolder) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        folder.append(line(1, float("nan")))
    assert folder.last_round() == 0


@pytest.mark.parametrize("rest", ['{"round": 3, "acc', "{", "\0\0\0", '{"round": 3}}'])
def test_a_line_that_a_crash_cut_off_does_not_count(folder: RunFolder, rest: str) -> None:
    folder.journal.write_text(lines(1, 2) + rest)
    assert folder.last_round() == 2
    folder.forget_after(2)
    assert folder.journal.read_text() == lines(1, 2)
    folder.append(line(3))
    assert folder.last_round() == 3


@pytest.mark.parametrize(
    ("damage", "number"),
    [
        (lambda text: text.replace('"round": 3', '"round": \0'), 3),
        (lambda text: text.replace('"round": 1', '"round": \xff'), 1),
        # An end of a line that is gone, and one too many.
        (lambda text: text.replace('\n{"round": 3', '{"round": 3'), 2),
        (lambda text: text.replace('{"round": 2', '{"rou\nnd": 2'), 2),
        # A last line that has its end was not cut off.
        (lambda text: text[:-3] + "\n", 4),
    ],
)
def test_damage_further_up_is_named_and_nothing_is_thrown_away(
    folder: RunFolder, damage: Callable[[str], str], number: int
) -> None:
    damaged = damage(lines(1, 2, 3, 4)).encode("latin-1")
    folder.journal.write_bytes(damaged)
    for ask in (folder.last_round, lambda: folder.forget_after(2)):
        with pytest.raises(RunFolderError, match=rf"rounds.jsonl line {number}: .* from a copy"):
            ask()
    assert folder.journal.read_bytes() == damaged


def test_rounds_that_are_left_behind_are_kept_aside(folder: RunFolder) -> None:
    folder.journal.write_text(lines(1, 2, 3, 4))
    assert folder.set_aside_after(4) is None
    first = folder.set_aside_after(2)
    folder.forget_after(2)
    folder.append(line(3, 0.25))
    second = folder.set_aside_after(2)
    assert first is not None
    assert second is not None
    assert (first.name, second.name) == (
        "rounds.jsonl.before-resume-from-2",
        "rounds.jsonl.before-resume-from-2-2",
    )
    assert first.read_text() == lines(3, 4)
    assert second.read_text() == f"{write_round(line(3, 0.25))}\n"


def test_a_long_journal_is_read_once_for_all_that_a_resumed_run_asks_of_it(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.journal.write_text(lines(1, 2, 3))
    read: list[bytes] = []

    def counted(journal: Path, content: bytes) -> list[Row]:
        read.append(content)
        return read_rows(journal, content)

    monkeypatch.setattr(run_folder, "read_rows", counted)
    assert folder.last_round() == 3
    assert folder.set_aside_after(2) is not None
    folder.forget_after(2)
    assert [one.round_number for one in folder.rounds()] == [1, 2]
    assert len(read) == 1
    # What another hand wrote there is seen.
    folder.journal.write_text(lines(1))
    assert folder.last_round() == 1


def test_a_last_line_without_its_end_counts_and_is_mended(folder: RunFolder) -> None:
    folder.journal.write_text(lines(1, 2).rstrip("\n"))
    assert folder.last_round() == 2
    folder.forget_after(2)
    folder.append(line(3))
    assert [json.loads(row)["round"] for row in folder.journal.read_text().splitlines()] == [
        1,
        2,
        3,
    ]


@pytest.mark.parametrize(("keep", "left"), [(5, (1, 2, 3)), (3, (1, 2, 3)), (1, (1,)), (0, ())])
def test_rounds_after_a_checkpoint_are_forgotten(
    folder: RunFolder, keep: int, left: tuple[int, ...]
) -> None:
    folder.journal.write_text(lines(1, 2, 3))
    folder.forget_after(keep)
    assert folder.journal.read_text() == lines(*left)


def test_a_journal_that_is_not_there_is_empty(folder: RunFolder) -> None:
    folder.forget_after(0)
    assert folder.last_round() == 0
    assert folder.journal.read_text() == ""


def test_clients_are_written_down_and_kept_while_they_are_away(folder: RunFolder) -> None:
    folder.begin(CONFIG)
    folder.save_clients(TASK, {2: client(2, model="resnet4"), 0: client(0)})
    folder.save_clients(TASK, {0: client(0), 10: client(10, train_counts=[], test_counts=[])})
    saved = json.loads((folder.path / "clients.json").read_text())
    assert saved["task"] == {
        "num_classes": 10,
        "inputs": {"kind": "images", "sizes": [1, 8, 8]},
        "feature_dim": 16,
        "foundation": None,
    }
    assert saved["class_names"] == ["zero", "one"]
    assert list(saved["clients"]) == ["0", "2", "10"]
    assert saved["clients"]["2"] == {
        "model": "resnet4",
        "train_samples": 30,
        "test_samples": 10,
        "train_counts": [10, 20],
        "test_counts": [4, 6],
        "clients": 1,
        "figures": {},
        "notes": ["small"],
        "node_id": "102",
        "generated": 0,
    }
    # A client that keeps its counts to itself has none, not zero of each.
    assert saved["clients"]["10"]["train_counts"] is None


def test_clients_that_do_not_change_are_not_written_again(folder: RunFolder) -> None:
    folder.save_clients(TASK, {0: client(0)})
    (folder.path / "clients.json").unlink()
    folder.save_clients(TASK, {0: client(0)})
    assert not (folder.path / "clients.json").exists()
    folder.save_clients(TASK, {0: client(0, model="resnet4")})
    assert (folder.path / "clients.json").exists()


def test_a_failed_write_leaves_the_old_text(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write("notes.txt", "old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RunFolderError, match=r"No space left .*resume=true"):
        folder.write("notes.txt", "new")
    assert (folder.path / "notes.txt").read_text() == "old"


def test_progress_is_one_small_file(folder: RunFolder) -> None:
    folder.show_progress(round=1, rounds=5, phase="training")
    folder.show_progress(round=2, rounds=5, phase="waiting")
    progress = json.loads((folder.path / "progress.json").read_text())
    assert progress == {"round": 2, "rounds": 5, "phase": "waiting"}
    assert [file.name for file in folder.path.iterdir()] == ["progress.json"]


def test_progress_is_written_when_there_is_any(folder: RunFolder) -> None:
    told = folder.path / "progress.json"
    folder.show_progress(round=1, done=3)
    first = told.stat().st_ino
    folder.show_progress(round=1, done=3)
    assert told.stat().st_ino == first
    folder.show_progress(round=1, done=4)
    assert json.loads(told.read_text()) == {"round": 1, "done": 4}


def test_pictures_are_saved_pixel_by_pixel(folder: RunFolder) -> None:
    from PIL import Image

    folder.save_pictures(3, ())
    assert not (folder.path / "images").exists()
    pixels = torch.arange(3 * 2 * 4, dtype=torch.uint8).reshape(3, 2, 4)
    folder.save_pictures(3, (Picture("class-0", pixels), Picture("class-1", 255 - pixels)))
    place = folder.path / "images" / "round-000003"
    assert sorted(file.name for file in place.iterdir()) == ["class-0.png", "class-1.png"]
    with Image.open(place / "class-0.png") as image:
        assert (image.mode, image.size) == ("RGB", (4, 2))
        # (x, y) = (1, 1): the sixth value of each channel, and channels are 8 apart.
        assert image.getpixel((1, 1)) == (5, 13, 21)


def test_another_run_lies_beside(folder: RunFolder) -> None:
    assert folder.beside("") is None
    with pytest.raises(RunFolderError, match="run-0: holds no run to compare with"):
        folder.beside("run-0")
    other = RunFolder(folder.path.parent, "run-0")
    with pytest.raises(RunFolderError, match="holds no run to compare with"):
        folder.beside("run-0")
    other.append(line(1))
    assert folder.beside("run-0") == other.path


@pytest.mark.parametrize(("rounds", "place"), [((1, 3), 2), ((1, 2, 2), 3), ((2,), 1)])
def test_a_round_that_is_missing_or_there_twice_is_named(
    folder: RunFolder, rounds: tuple[int, ...], place: int
) -> None:
    folder.journal.write_text(lines(*rounds))
    before = folder.journal.read_bytes()
    with pytest.raises(RunFolderError, match=rf"line {place}: expected round {place}, got"):
        folder.last_round()
    assert folder.journal.read_bytes() == before


def test_a_tail_that_is_no_text_is_cut_off(folder: RunFolder) -> None:
    folder.journal.write_bytes(lines(1, 2).encode() + b"\xff\xfe{")
    assert [one.round_number for one in folder.rounds()] == [1, 2]
    folder.forget_after(2)
    assert folder.journal.read_text() == lines(1, 2)


def test_a_damaged_list_of_clients_is_made_anew(folder: RunFolder) -> None:
    folder.save_clients(TASK, {0: client(0), 1: client(1)})
    whole = (folder.path / "clients.json").read_text()
    (folder.path / "clients.json").write_text(whole[: len(whole) // 2])
    again = RunFolder(folder.path.parent, folder.path.name)
    again.save_clients(TASK, {0: client(0)})
    assert list(json.loads((folder.path / "clients.json").read_text())["clients"]) == ["0"]
