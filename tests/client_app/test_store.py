"""The two generations of a device's state: no round is lost, and none is trained twice."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from client_app.store import ClientStore, Stored
from strategies.common import folder_lock
from strategies.common.errors import StoreError


def state(value: float) -> dict[str, Tensor]:
    return {"weight": torch.full((2,), value)}


def files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def name(round_number: int) -> str:
    return f"round-{round_number:06d}.safetensors"


def value(stored: Stored) -> float:
    return float(stored.tensors["weight"][0])


def damage(folder: Path, round_number: int) -> None:
    path = folder / name(round_number)
    blob = bytearray(path.read_bytes())
    blob[-1] ^= 1
    path.write_bytes(bytes(blob))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "run-1" / "0"


@pytest.fixture
def store(folder: Path) -> ClientStore:
    return ClientStore(folder)


def train(store: ClientStore, round_number: int, continue_from: int) -> Stored:
    """Train as a device does: what it stores is one more than what it found."""
    found = store.load(continue_from)
    before = value(found) if found.round_number else 0.0
    store.save(round_number, state(before + 1), base=found.round_number)
    return found


def test_before_the_first_round_there_is_nothing(store: ClientStore, folder: Path) -> None:
    assert store.load(0) == Stored(0, {}, ())
    assert not folder.exists()


def test_a_state_comes_back_after_its_round(store: ClientStore, folder: Path) -> None:
    train(store, 1, 0)
    found = ClientStore(folder).load(1)
    assert (found.round_number, value(found), found.notes) == (1, 1.0, ())


def test_what_a_device_keeps_beside_a_state_is_no_part_of_it(
    store: ClientStore, folder: Path
) -> None:
    store.save(1, state(1.0), base=0, beside={"mean": torch.tensor([4.0])})
    found = ClientStore(folder).load(1)
    assert list(found.tensors) == ["weight"]
    assert {name: own.tolist() for name, own in found.beside.items()} == {"mean": [4.0]}
    store.save(2, state(2.0), base=1)
    assert store.newest().beside == {}


def test_only_the_newest_round_and_its_base_are_kept(store: ClientStore, folder: Path) -> None:
    for round_number in range(1, 6):
        assert train(store, round_number, round_number - 1).notes == ()
    assert files(folder) == [name(4), name(5)]
    assert value(store.load(5)) == 5.0
    assert value(store.load(4)) == 4.0


def test_rounds_without_this_client_do_not_age_its_state(store: ClientStore, folder: Path) -> None:
    train(store, 2, 0)
    train(store, 9, 2)
    assert files(folder) == [name(2), name(9)]
    assert value(store.load(9)) == 2.0


def test_a_round_whose_reply_was_lost_is_not_trained_twice(store: ClientStore) -> None:
    train(store, 1, 0)
    train(store, 2, 1)  # the server never hears of it
    found = train(store, 3, 1)
    assert (found.round_number, value(found), found.notes) == (1, 1.0, ())
    assert value(store.load(3)) == 2.0  # rounds 1 and 3


def test_the_base_outlives_any_number_of_lost_replies(store: ClientStore, folder: Path) -> None:
    train(store, 1, 0)
    for round_number in (2, 3, 4):
        assert value(train(store, round_number, 1)) == 1.0
        assert files(folder) == [name(1), name(round_number)]
    assert value(train(store, 5, 4)) == 2.0


def test_a_second_try_of_a_round_starts_where_the_first_did(
    store: ClientStore, folder: Path
) -> None:
    train(store, 1, 0)
    train(store, 2, 1)
    train(store, 2, 1)
    assert value(store.load(2)) == 2.0
    assert files(folder) == [name(1), name(2)]


def test_a_run_that_begins_again_keeps_the_state_of_the_old_one_aside(
    store: ClientStore, folder: Path
) -> None:
    """Its server may have lost the run, and nobody could train the state again."""
    train(store, 1, 0)
    train(store, 2, 1)
    train(store, 3, 2)
    assert store.load(0) == Stored(0, {}, ())
    (note,) = store.save(1, state(1.0), base=0)
    assert note == (
        f"the state after round 2 and 3, which this run left behind or another of its name, is "
        f"kept in {folder / 'earlier'}"
    )
    assert files(folder) == ["earlier", name(1)]
    assert files(folder / "earlier") == [name(2), name(3)]
    assert (folder / "earlier").stat().st_mode & 0o777 == 0o700
    assert value(store.load(1)) == 1.0
    # Whoever puts them back goes on from there.
    assert value(ClientStore(folder / "earlier").newest()) == 3.0


def test_of_states_that_were_left_behind_the_longest_trained_is_kept(
    store: ClientStore, folder: Path
) -> None:
    for last in (3, 2, 5):
        for number in range(1, last + 1):
            train(store, number, number - 1)
    train(store, 1, 0)
    assert files(folder / "earlier") == [name(4), name(5)]
    assert files(folder) == ["earlier", name(1)]
    # No run left these behind: a reply that was lost, and a second try.
    assert store.save(2, state(2.0), base=1) == ()
    assert store.save(2, state(2.0), base=1) == ()
    assert store.save(3, state(2.0), base=1) == ()
    assert files(folder) == ["earlier", name(1), name(3)]


def test_states_that_cannot_be_put_aside_stay_where_they_are(
    store: ClientStore, folder: Path
) -> None:
    train(store, 1, 0)
    train(store, 2, 1)
    (folder / "earlier").write_text("a file")
    (note,) = store.save(1, state(1.0), base=0)
    assert note.startswith(f"{folder / 'earlier'}: cannot be written (")
    assert files(folder) == ["earlier", name(1), name(2)]
    (folder / "earlier").unlink()
    assert "round 2, which" in store.save(1, state(1.0), base=0)[0]
    assert files(folder / "earlier") == [name(2)]


def test_a_damaged_newest_file_is_named_and_the_older_one_used(
    store: ClientStore, folder: Path
) -> None:
    train(store, 1, 0)
    train(store, 2, 1)
    damage(folder, 2)
    found = store.load(2)
    assert (found.round_number, value(found)) == (1, 1.0)
    damaged, used = found.notes
    assert str(folder / name(2)) in damaged
    assert "damaged" in damaged
    assert used == "no usable state of round 2: used round 1"
    # Going on from there keeps what was found, not what is damaged.
    store.save(3, state(2.0), base=found.round_number)
    assert files(folder) == [name(1), name(3)]


def test_a_missing_newest_file_is_named(store: ClientStore, folder: Path) -> None:
    train(store, 1, 0)
    train(store, 2, 1)
    (folder / name(2)).unlink()
    assert store.load(2).notes == ("no usable state of round 2: used round 1",)


def test_where_all_is_damaged_the_client_starts_afresh_and_says_so(
    store: ClientStore, folder: Path
) -> None:
    train(store, 1, 0)
    train(store, 2, 1)
    damage(folder, 1)
    (folder / name(2)).write_bytes(b"")
    found = store.load(2)
    assert (found.round_number, found.tensors) == (0, {})
    newest, older, fresh = found.notes
    assert name(2) in newest
    assert name(1) in older
    assert fresh == f"no usable state of round 2 in {folder}: started afresh"


def test_a_device_that_lost_its_disk_starts_afresh_and_says_so(
    store: ClientStore, folder: Path
) -> None:
    found = store.load(7)
    assert found.round_number == 0
    assert found.notes == (f"no usable state of round 7 in {folder}: started afresh",)


def test_a_newer_state_is_never_used(store: ClientStore, folder: Path) -> None:
    train(store, 5, 0)
    assert store.load(4).round_number == 0
    assert files(folder) == [name(5)]


def test_a_failed_save_leaves_both_generations(store: ClientStore, folder: Path) -> None:
    train(store, 1, 0)
    train(store, 2, 1)
    (folder / name(3)).mkdir()  # in the way of the new file
    with pytest.raises(StoreError, match=r"round-000003\.safetensors: cannot be written"):
        store.save(3, state(9.0), base=2)
    (folder / name(3)).rmdir()
    assert files(folder) == [name(1), name(2)]
    assert value(store.load(2)) == 2.0


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    store = ClientStore(tmp_path / "state" / "run-1" / "0")
    assert store.load(0).round_number == 0
    assert store.load(1).round_number == 0
    with pytest.raises(StoreError, match="cannot be written"):
        store.save(1, state(1.0), base=0)


def test_files_of_others_are_left_alone(store: ClientStore, folder: Path) -> None:
    train(store, 1, 0)
    (folder / "notes.txt").write_text("mine")
    train(store, 2, 1)
    train(store, 3, 2)
    assert files(folder) == ["notes.txt", name(2), name(3)]


def test_another_process_waits_a_while_and_is_then_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("client_app.store._WAIT_S", 0.05)
    place = tmp_path / "run" / "0"
    with ClientStore(place).hold():
        with pytest.raises(StoreError, match=r"in use by process \d+ on .*state-dir of its own"):
            ClientStore(place).hold()
        # Another client, and the same one in another run, are not in its way.
        ClientStore(tmp_path / "run" / "1").hold().release()
    ClientStore(place).hold().release()
    assert files(place) == [folder_lock.NAME]


def test_a_state_folder_that_cannot_be_made_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"file/0: cannot be written .*make the folder writable"):
        ClientStore(tmp_path / "file" / "0").hold()


def test_a_state_under_another_rounds_name_is_passed_over(store: ClientStore, folder: Path) -> None:
    train(store, 1, 0)
    train(store, 2, 1)
    (folder / name(2)).write_bytes((folder / name(1)).read_bytes())
    found = store.load(2)
    assert found.round_number == 1
    assert "expected the state of this round, got that of 1" in found.notes[0]


@pytest.mark.parametrize(("run", "method"), [("run-2", "fd"), ("run-1", "local")])
def test_a_state_of_another_run_is_refused_by_both_names(
    store: ClientStore, run: str, method: str
) -> None:
    store.save(1, state(1.0), base=0, method="fd", run="run-1")
    found = store.load(1)
    found.require_of("run-1", "fd")
    with pytest.raises(StoreError, match=rf"of run {run}, method {method}, got one of run run-1"):
        found.require_of(run, method)
    store.save(1, state(1.0), base=0)
    store.load(1).require_of(run, method)
