"""A folder that a command writes is there whole, and what a killed one left is cleared up."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from client_app.new_folder import MADE, REPLACED, aside, free_or_ours, whole
from strategies.common import folder_lock
from strategies.common.errors import StoreError


def killed(place: Path) -> None:
    with aside(place) as temporary:
        (temporary / MADE).mkdir()
        if place.exists():
            place.replace(temporary / REPLACED)
        os.kill(os.getpid(), signal.SIGKILL)


def kill_one(place: Path) -> Path:
    process = multiprocessing.get_context("fork").Process(target=killed, args=(place,))
    process.start()
    process.join(timeout=60)
    assert process.exitcode == -signal.SIGKILL
    (left,) = place.parent.glob(".*.tmp")
    return left


def test_what_a_killed_command_left_is_removed(tmp_path: Path) -> None:
    left = kill_one(tmp_path / "model")
    assert left.is_dir()
    with whole(tmp_path / "model") as folder:
        (folder / "weights").write_text("new")
        assert not left.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["weights"]


def test_what_a_killed_command_had_moved_away_is_put_back(tmp_path: Path) -> None:
    place = tmp_path / "model"
    place.mkdir()
    (place / "weights").write_text("earlier")
    kill_one(place)
    assert not place.exists()
    with aside(place):
        assert (place / "weights").read_text() == "earlier"
    assert [*tmp_path.iterdir()] == [place]


def test_what_is_held_or_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    unsigned, other, held = (tmp_path / f".model.{name}.tmp" for name in ("a", "b", "c"))
    for folder in (unsigned, other, held):
        (folder / MADE).mkdir(parents=True)
    (other / folder_lock.NAME).touch()
    (other / "thesis.tex").write_text("years")
    with folder_lock.hold(held, StoreError), aside(tmp_path / "model"):
        pass
    assert sorted(tmp_path.iterdir()) == [unsigned, other, held]
    assert (other / "thesis.tex").read_text() == "years"


def test_a_folder_of_ours_is_replaced_when_all_is_there_and_asked_for(tmp_path: Path) -> None:
    place = tmp_path / "model"
    with whole(place) as folder:
        (folder / "weights").write_text("earlier")
    with pytest.raises(StoreError, match="give --replace"):
        free_or_ours(place, ours=True, replace=False)
    with pytest.raises(StoreError, match="got one with files in it"):
        free_or_ours(place, ours=False, replace=True)
    assert free_or_ours(place, ours=True, replace=True) == place
    with (
        pytest.raises(StoreError, match="cannot be written"),
        whole(place, replace=True) as folder,
    ):
        (folder / "no such folder" / "weights").write_text("new")
    assert (place / "weights").read_text() == "earlier"
    with pytest.raises(StoreError, match="cannot be written"), whole(place) as folder:
        (folder / "weights").write_text("new")
    assert (place / "weights").read_text() == "earlier"
    with whole(place, replace=True) as folder:
        (folder / "other").write_text("new")
    assert [path.name for path in place.iterdir()] == ["other"]
    assert [*tmp_path.iterdir()] == [place]


def test_a_folder_is_not_there_where_writing_it_failed(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written"), whole(tmp_path / "model") as folder:
        (folder / "no such folder" / "weights").write_text("new")
    assert [*tmp_path.iterdir()] == []
