"""Checkpoints: the last rounds and the best ones; a damaged file is passed over."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from server_app.checkpoints import Checkpoint, Checkpoints
from strategies.common import tensor_file
from strategies.common.errors import RunFolderError, StoreError
from strategies.common.inputs import Images
from strategies.common.open_data import OpenSet
from strategies.common.task import Task

TASK = Task(10, Images(1, 8, 8), 0)


def checkpoint(round_number: int, best_round: int = 0) -> Checkpoint:
    return Checkpoint(
        round_number=round_number,
        task=TASK,
        accepted={0: round_number, 11: 1},
        best_round=best_round,
        best_accuracy=0.1 + 0.2,
        tensors={"means": torch.full((2, 3), float(round_number))},
    )


def save(checkpoints: Checkpoints, *rounds: int, best_round: int = 0) -> None:
    for round_number in rounds:
        checkpoints.save(checkpoint(round_number, best_round))


def rounds(folder: Path) -> list[int]:
    return sorted(int(file.stem.removeprefix("round-")) for file in folder.iterdir())


def damage(folder: Path, round_number: int) -> None:
    path = folder / f"round-{round_number:06d}.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "checkpoints"


@pytest.fixture
def checkpoints(folder: Path) -> Checkpoints:
    return Checkpoints(folder)


def test_before_the_first_round_there_is_none(checkpoints: Checkpoints) -> None:
    assert checkpoints.load(at_most=0) == (None, ())
    assert checkpoints.load(at_most=9) == (None, ())


def test_a_checkpoint_comes_back_to_the_last_digit(checkpoints: Checkpoints, folder: Path) -> None:
    save(checkpoints, 3, best_round=2)
    found, notes = Checkpoints(folder).load(at_most=3)
    assert notes == ()
    assert found is not None
    assert found.tensors.keys() == {"means"}
    assert torch.equal(found.tensors["means"], torch.full((2, 3), 3.0))
    assert (found.round_number, found.task, found.accepted) == (3, TASK, {0: 3, 11: 1})
    assert (found.best_round, found.best_accuracy) == (2, 0.1 + 0.2)


def test_the_servers_open_data_are_known_again_and_older_checkpoints_do_not_tell(
    checkpoints: Checkpoints, folder: Path
) -> None:
    told = OpenSet("1" * 64, 500)
    checkpoints.save(replace(checkpoint(1), open_set=told))
    checkpoints.save(checkpoint(2))
    found = [Checkpoints(folder).after(number, last=2).open_set for number in (1, 2)]
    assert found == [told, None]


def test_a_method_without_state_has_checkpoints_too(checkpoints: Checkpoints) -> None:
    checkpoints.save(Checkpoint(1, TASK, {}, 0, 0.0, {}))
    assert checkpoints.load(at_most=1) == (Checkpoint(1, TASK, {}, 0, 0.0, {}), ())


@pytest.mark.parametrize(
    ("bests", "kept"),
    [
        ([0, 0, 0, 0, 0, 0], [4, 5, 6]),
        ([1, 1, 1, 1, 1, 1], [1, 4, 5, 6]),
        ([1, 2, 2, 2, 2, 2], [1, 2, 4, 5, 6]),
        # Of the best, the last two: one of them may be the round that spoilt the others.
        ([1, 2, 3, 3, 3, 3], [2, 3, 4, 5, 6]),
        ([1, 2, 3, 4, 5, 6], [4, 5, 6]),
    ],
)
def test_the_last_three_and_the_last_two_best_are_kept(
    folder: Path, bests: list[int], kept: list[int]
) -> None:
    for round_number, best in enumerate(bests, start=1):
        if round_number % 2:
            # A server that was started again knows what the one before kept.
            checkpoints = Checkpoints(folder)
            checkpoints.load(at_most=round_number - 1)
        save(checkpoints, round_number, best_round=best)
    assert rounds(folder) == kept


def test_a_new_best_takes_the_old_ones_place(checkpoints: Checkpoints, folder: Path) -> None:
    save(checkpoints, 1, 2, 3, 4, 5, best_round=1)
    assert rounds(folder) == [1, 3, 4, 5]
    save(checkpoints, 6, 7, best_round=6)
    save(checkpoints, 8, 9, 10, best_round=8)
    assert rounds(folder) == [6, 8, 9, 10]


def test_a_round_that_was_not_completed_is_not_gone_on_from(checkpoints: Checkpoints) -> None:
    save(checkpoints, 1, 2, 3)
    found, notes = checkpoints.load(at_most=2)
    assert found is not None
    assert (found.round_number, notes) == (2, ())


def test_a_damaged_newest_is_named_and_the_one_before_used(
    checkpoints: Checkpoints, folder: Path
) -> None:
    save(checkpoints, 1, 2, 3)
    damage(folder, 3)
    found, notes = checkpoints.load(at_most=3)
    assert found is not None
    assert found.round_number == 2
    (note,) = notes
    assert "round-000003.safetensors" in note


def test_where_all_last_are_damaged_the_best_is_used(
    checkpoints: Checkpoints, folder: Path
) -> None:
    save(checkpoints, 1, 2, 3, 4, 5, best_round=1)
    for round_number in (3, 4, 5):
        damage(folder, round_number)
    found, notes = checkpoints.load(at_most=5)
    assert found is not None
    assert (found.round_number, len(notes)) == (1, 3)


def test_any_checkpoint_that_is_kept_may_be_gone_on_from(
    checkpoints: Checkpoints, folder: Path
) -> None:
    save(checkpoints, 1, 2, 3, 4, 5, best_round=1)
    assert checkpoints.after(3, last=5).round_number == 3
    damage(folder, 4)
    for gone, told in ((2, "keeps none of round 2"), (4, "round-000004"), (9, "none of round 9")):
        with pytest.raises(RunFolderError) as caught:
            checkpoints.after(gone, last=5)
        assert f"checkpoint is kept (1, 3, 4, 5), got {gone}: " in str(caught.value)
        assert told in str(caught.value)
    with pytest.raises(RunFolderError, match=r"kept \(1, 3\), got 4"):
        checkpoints.after(4, last=3)


def test_rounds_that_are_left_behind_are_kept_aside(folder: Path) -> None:
    for aside in ("before-resume-from-4", "before-resume-from-4-2"):
        save(Checkpoints(folder), 1, 2, 3, 4, 5, 6)
        Checkpoints(folder).set_aside_after(4)
        assert tensor_file.rounds_in(folder) == [4]
        assert tensor_file.rounds_in(folder / aside) == [5, 6]
    Checkpoints(folder).set_aside_after(4)
    assert len(list(folder.iterdir())) == 3


def test_rounds_that_did_not_count_make_none_be_forgotten(folder: Path) -> None:
    save(Checkpoints(folder), 1, 2, 3, 4, 5, 6)
    checkpoints = Checkpoints(folder)
    checkpoints.after(4, last=6)
    save(checkpoints, 5)
    assert rounds(folder) == [4, 5, 6]
    found, _ = checkpoints.load(at_most=5)
    assert found is not None
    assert found.round_number == 5


def test_where_none_can_be_read_the_run_does_not_begin_afresh_in_silence(
    checkpoints: Checkpoints, folder: Path
) -> None:
    save(checkpoints, 1, 2)
    damage(folder, 1)
    damage(folder, 2)
    with pytest.raises(RunFolderError, match="no checkpoint can be read") as caught:
        checkpoints.load(at_most=2)
    assert "round-000001" in str(caught.value)
    assert "round-000002" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        {},
        {"checkpoint": "no json"},
        {"checkpoint": "[]"},
        {"checkpoint": '{"round": 2}'},
        {
            "checkpoint": '{"round": 2, "task": {"classes": 3}, "accepted": {}, "best_round": 0, '
            '"best_accuracy": 0}'
        },
    ],
)
def test_a_file_that_is_no_checkpoint_is_passed_over(
    checkpoints: Checkpoints, folder: Path, text: dict[str, str]
) -> None:
    save(checkpoints, 1)
    tensor_file.write(folder / "round-000002.safetensors", {"x": torch.zeros(1)}, text)
    found, notes = checkpoints.load(at_most=2)
    assert found is not None
    assert found.round_number == 1
    assert "expected a checkpoint" in notes[0]


def test_a_failed_save_leaves_the_old_checkpoints(checkpoints: Checkpoints, folder: Path) -> None:
    save(checkpoints, 1, 2)
    (folder / "round-000003.safetensors").mkdir()
    with pytest.raises(StoreError, match="cannot be written"):
        save(checkpoints, 3)
    (folder / "round-000003.safetensors").rmdir()
    assert rounds(folder) == [1, 2]


def test_a_checkpoint_from_before_inputs_had_a_kind_is_refused(
    checkpoints: Checkpoints, folder: Path
) -> None:
    save(checkpoints, 1)
    path = tensor_file.of_round(folder, 1)
    tensors, text = tensor_file.read(path)
    values = json.loads(text["checkpoint"])
    del values["task"]["inputs"]
    values["task"] |= {"channels": 1, "height": 8, "width": 8}
    tensor_file.write(path, tensors, {"checkpoint": json.dumps(values)})
    with pytest.raises(RunFolderError, match=r"expected inputs with .*; start a new run under"):
        checkpoints.load(at_most=1)


def test_journal_and_checkpoints_must_be_of_one_run(tmp_path: Path) -> None:
    folder, journal = tmp_path / "checkpoints", tmp_path / "rounds.jsonl"
    found = Checkpoints(folder)
    # Nothing was ever completed.
    found.require(0, journal)
    for number in (5, 6):
        tensor_file.write(tensor_file.of_round(folder, number), {}, {})
    for played in (5, 6, 9):
        found.require(played, journal)
    for played in (0, 2, 4):
        with pytest.raises(RunFolderError, match=r"put the f.* back from a copy, or begin again"):
            found.require(played, journal)
    tensor_file.of_round(folder, 5).unlink()
    with pytest.raises(RunFolderError, match="expected the checkpoint of round 5 or of one before"):
        found.require(5, journal)


def test_a_checkpoint_of_another_run_is_damage(folder: Path) -> None:
    save(Checkpoints(folder, "fd with seed 1"), 1)
    save(Checkpoints(folder, "fd with seed 2"), 2)
    found, notes = Checkpoints(folder, "fd with seed 1").load(at_most=2)
    assert found is not None
    assert found.round_number == 1
    assert "expected a checkpoint of fd with seed 1, got one of fd with seed 2" in notes[0]


def test_a_checkpoint_under_another_rounds_name_is_damage(
    checkpoints: Checkpoints, folder: Path
) -> None:
    save(checkpoints, 1, 2, 3)
    (folder / "round-000003.safetensors").write_bytes(
        (folder / "round-000001.safetensors").read_bytes()
    )
    found, notes = checkpoints.load(at_most=3)
    assert found is not None
    assert found.round_number == 2
    assert "expected the state of this round, got that of 1" in notes[0]
