"""A device's own data while a run goes on: what it learnt from is never tested on."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from client_app.data import partition, prepared
from client_app.data.client_data import ClientData
from client_app.data.looked_at_once import forget_files
from client_app.data.partition import Share
from client_app.devices.message_device import LocalDevice
from client_app.node import NodeConfig
from strategies.common.errors import DataError
from strategies.common.settings import RunSettings

Build = Callable[..., RunSettings]
SMALL = {"min_train_samples": 2, "min_test_samples": 1, "image_size": 4}


def save(place: Path, values: Iterable[int], prefix: str = "") -> None:
    """Save grey images, each of a shade of its own, to two classes in turn."""
    for value in values:
        folder = place / "ab"[value % 2]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.full((4, 4), value, dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{prefix}{value:03}.png")


def told_apart(inputs: torch.Tensor) -> set[int]:
    return set(inputs.flatten(1).amax(1).tolist())


def shades(data: ClientData) -> tuple[set[int], set[int]]:
    return told_apart(data.train.inputs), told_apart(data.test.inputs)


@pytest.fixture
def load(tmp_path: Path, run_settings: Build) -> Callable[..., ClientData]:
    def of(spec: str = f"folder:{tmp_path / 'own'}", **changes: bool | float) -> ClientData:
        settings = run_settings(**{**SMALL, **changes})
        return prepared.load(settings, spec, 0, 3, tmp_path / "prepared")

    return of


def forget(folder: Path) -> None:
    """Delete what may be deleted."""
    for file in (folder / "prepared").glob("*/*"):
        file.unlink()


def test_one_more_image_moves_no_other(load: Callable[..., ClientData], tmp_path: Path) -> None:
    save(tmp_path / "own", range(40))
    train, test = shades(first := load())
    assert (len(train), len(test), first.notes) == (30, 10, ())
    # The name puts it in front of all others.
    save(tmp_path / "own", [100], prefix="-")
    more = load()
    assert tuple(found - {100} for found in shades(more)) == (train, test)
    (note,) = more.notes
    assert note == f"folder: 1 new sample, {int(100 in shades(more)[1])} to test on"
    for value in (*range(0, 40, 3), 100):
        next((tmp_path / "own").glob(f"*/*{value:03}.png")).unlink()
    gone = {*range(0, 40, 3), 100}
    less = load()
    assert shades(less) == (train - gone, test - gone)
    assert less.notes == ("folder: 15 samples that are there no more",)
    # Whoever comes back sits where it sat, also after prepared data were deleted.
    save(tmp_path / "own", range(40))
    forget(tmp_path)
    again = load()
    assert shades(again) == (train, test)
    assert (again.split, again.contents) == (first.split, first.contents)
    assert again.notes == ("folder: 1 sample that is there no more",)


def test_a_limit_keeps_its_samples(load: Callable[..., ClientData], tmp_path: Path) -> None:
    save(tmp_path / "own", range(30))
    (tmp_path / "own" / "a" / "000.png").write_bytes(b"broken")
    before = load(max_samples=16)
    save(tmp_path / "own", range(50, 70), prefix="-")
    after = load(max_samples=16)
    assert shades(after) == shades(before)
    beyond = {30: 14, 50: 34}
    for data, total in ((before, 30), (after, 50)):
        (note,) = data.notes
        assert f"{beyond[total]} beyond max-samples=16 (" in note
        assert f"of {total} files left out" in note
    # Prepared again from the same files it is the same, though one seat is of a broken file.
    forget(tmp_path)
    assert shades(load(max_samples=16)) == shades(before)


def test_a_broken_image_that_is_mended_is_a_new_one(
    load: Callable[..., ClientData], tmp_path: Path
) -> None:
    save(tmp_path / "own", range(20))
    broken = tmp_path / "own" / "b" / "007.png"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:30])
    train, test = shades(first := load())
    assert 7 not in train | test
    assert first.notes == ("folder: 1 of 20 files left out: 1 that cannot be decoded (b/007.png)",)
    broken.write_bytes(whole)
    assert tuple(found - {7} for found in shades(load())) == (train, test)
    assert 7 in set().union(*shades(load()))


def test_another_seed_fraction_or_client_has_a_split_of_its_own(
    load: Callable[..., ClientData], tmp_path: Path, run_settings: Build
) -> None:
    save(tmp_path / "own", range(40))
    found = {load().split, load(seed=1).split, load(test_fraction=0.5).split}
    other = prepared.load(
        run_settings(**SMALL), f"folder:{tmp_path / 'own'}", 1, 3, tmp_path / "prepared"
    )
    assert len({*found, other.split}) == 4
    # What does not deal does not matter: not the number of clients, nor how images are resized.
    assert load(image_size=8).split == load(partition="iid").split == load().split


def test_a_lost_or_damaged_split_is_dealt_anew_and_told(
    load: Callable[..., ClientData], tmp_path: Path
) -> None:
    save(tmp_path / "own", range(40))
    first = load()
    (kept,) = (tmp_path / "splits").glob("*/0.safetensors")
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-3])
    (note,) = load().notes
    assert "the split was dealt anew: models of earlier runs may have learnt" in note
    # The files had not changed, so the split is the same.
    assert load().split == first.split
    save(tmp_path / "own", [100], prefix="-")
    kept.unlink()
    assert load().split != first.split


def test_a_folder_that_moved_whole_is_the_same_split(
    load: Callable[..., ClientData], tmp_path: Path
) -> None:
    save(tmp_path / "own", range(20))
    first = load()
    (tmp_path / "own").rename(tmp_path / "elsewhere")
    assert load(f"folder:{tmp_path / 'elsewhere'}").split == first.split


def test_a_class_folder_that_was_lacking_is_made(
    load: Callable[..., ClientData], tmp_path: Path
) -> None:
    save(tmp_path / "own", range(20))
    assert load().class_names == ("a", "b")
    (tmp_path / "own" / "aa").mkdir()
    assert load().class_names == ("a", "aa", "b")
    assert set(load().train.labels.tolist()) == {0, 2}


def moved(data: ClientData) -> tuple[str, ...]:
    """Return the notes but for those on how dark these samples are."""
    return tuple(note for note in data.notes if "values of x" not in note)


def publish(place: Path, train: Iterable[int], test: Iterable[int]) -> str:
    for part, values in (("train", list(train)), ("test", list(test))):
        (place / part).mkdir(parents=True, exist_ok=True)
        data = np.empty((), dtype=object)
        x = np.array(values, dtype=np.uint8).reshape(-1, 1, 1, 1)
        data[()] = {"x": np.tile(x, (1, 1, 4, 4)), "y": np.array(values) % 2}
        np.savez(place / part / "0.npz", data=data)
    (place / "config.json").write_text('{"num_classes": 2}')
    return f"pfllib:{place}"


def test_a_published_split_stays_published_and_a_limit_keeps_its_samples(
    load: Callable[..., ClientData], tmp_path: Path
) -> None:
    spec = publish(tmp_path / "own", range(30), range(30, 40))
    train, test = shades(before := load(spec, max_samples=12))
    assert (len(train), len(test), moved(before)) == (9, 3, ())
    learnt, tested = [*range(200, 230), *range(0, 30, 3)], [*range(100, 130), *range(30, 40)]
    publish(tmp_path / "own", learnt, tested)
    after = load(spec, max_samples=12)
    kept, left = {value for value in train if value % 3 == 0}, shades(after)
    assert kept <= left[0]
    assert test <= left[1]
    assert len(left[0] | left[1]) == 12
    assert moved(load(spec)) == ()
    publish(tmp_path / "own", learnt, [*tested, 99])
    assert moved(load(spec)) == ("pfllib: 1 new sample, 1 to test on",)


def test_samples_that_are_published_on_the_other_side_are_told(
    load: Callable[..., ClientData], tmp_path: Path
) -> None:
    spec = publish(tmp_path / "own", range(30), range(30, 40))
    first = load(spec)
    publish(tmp_path / "own", range(2, 32), (0, 1, *range(32, 40)))
    again = load(spec)
    assert shades(again) == (set(range(2, 32)), {0, 1, *range(32, 40)})
    assert moved(again) == (
        "pfllib: 4 samples published on the other side than before; models of earlier runs may "
        "have learnt from what is tested on now",
    )
    assert again.split != first.split


def ask(place: Path, values: Iterable[int]) -> str:
    """Ask two questions about each picture, whose answers differ."""
    place.mkdir(exist_ok=True)
    lines = []
    for value in values:
        Image.new("RGB", (4, 4), (value, 0, 0)).save(place / f"{value}.png")
        for word, answer in (("is", "yes" if value % 3 else "no"), ("what", f"w{value % 4}")):
            entry = {"file_name": f"{value}.png", "question": f"{word} {value} ?", "answer": answer}
            lines.append(json.dumps(entry))
    (place / "metadata.jsonl").write_text("\n".join(lines))
    return f"vqa:{place}"


def test_questions_and_answers_stay_where_they_are(
    load: Callable[..., ClientData], tmp_path: Path
) -> None:
    spec = ask(tmp_path / "own", range(30))
    first = load(spec)
    sides = {asked: s for s, p in enumerate((first.train, first.test)) for asked in p.questions}
    # Sixty more that make other answers the most frequent ones.
    ask(tmp_path / "own", [*range(100, 130), *range(30)])
    more = load(spec)
    for side, part in enumerate((more.train, more.test)):
        assert all(sides.get(asked, side) == side for asked in part.questions)
    assert len(more.train) + len(more.test) == 120
    assert any(note.startswith("vqa: 60 new samples, ") for note in more.notes)


def test_a_list_of_answers_that_a_head_was_trained_for_is_not_made_anew(
    tmp_path: Path, run_settings: Build
) -> None:
    spec, settings = ask(tmp_path / "own", range(30)), run_settings(**SMALL)

    def load(*answers: str) -> ClientData:
        return prepared.load(settings, spec, 0, 1, tmp_path / "prepared", answers)

    made = load().class_names
    assert load(*made).class_names == made
    turned = tuple(reversed(made))[:4]
    data = load(*turned)
    assert (data.class_names, data.num_classes) == (turned, 4)
    assert any("have no answer among the client's 4 and are left out" in n for n in data.notes)
    assert load().class_names == made


def test_samples_held_out_for_validation_stay_held_out(tmp_path: Path, run_settings: Build) -> None:
    save(tmp_path / "own", range(60))
    changed = {**SMALL, "validation_share": 0.3, "data": f"folder:{tmp_path / 'own'}"}
    settings = run_settings(**changed, state_dir=str(tmp_path), device="cpu", models="cnn")

    def parted() -> tuple[set[int], set[int]]:
        node = NodeConfig(partition_id=0, num_partitions=1, state_dir=str(tmp_path))
        device = LocalDevice(node, settings, 1)
        return told_apart(device.train.inputs), told_apart(device.validating().test.inputs)

    learnt, held_out = parted()
    assert len(held_out) == 13  # of 45
    save(tmp_path / "own", range(100, 140), prefix="-")
    (tmp_path / "own" / "b" / f"{min(v for v in learnt if v % 2):03}.png").unlink()
    now = parted()
    assert now[0] & held_out == set()
    assert now[1] & learnt == set()
    assert held_out <= now[1]
    assert len(now[1]) > len(held_out)


def test_a_collection_that_is_dealt_is_named_by_what_was_dealt(
    tmp_path: Path, run_settings: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "own", range(24))
    settings = run_settings(**SMALL)
    every = Share(torch.arange(24), ())
    monkeypatch.setattr(partition, "deal", lambda *_: every)

    def split() -> str:
        return prepared.load(settings, f"images:{tmp_path / 'own'}", 0, 2, tmp_path / "p").split

    before = split()
    assert before.startswith("dealt:")
    forget_files()
    assert split() == before
    # As many images of each class, and the same labels by row: other images all the same.
    (tmp_path / "own" / "a" / "000.png").rename(tmp_path / "own" / "a" / "zzz.png")
    forget_files()
    assert split() != before


def test_a_deal_is_remembered_for_the_same_labels_alone(
    tmp_path: Path, run_settings: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    dealt: list[torch.Tensor] = []

    def deal_all(labels: torch.Tensor, *_: object) -> list[torch.Tensor]:
        dealt.append(labels)
        return [torch.arange(12), torch.arange(12, 24)]

    monkeypatch.setattr(partition, "_deal_all", deal_all)
    labels, path = torch.arange(24) % 2, tmp_path / "dealt.safetensors"
    for number in (labels, labels, 1 - labels, 1 - labels):
        partition.deal(number, run_settings(**SMALL), 0, 2, path)
    assert len(dealt) == 2


def test_nothing_is_kept_of_a_client_that_may_not_start(
    load: Callable[..., ClientData], tmp_path: Path
) -> None:
    save(tmp_path / "own", range(4))
    with pytest.raises(DataError, match="expected at least 20 samples"):
        load(min_train_samples=20)
    assert not (tmp_path / "splits").exists()
    assert torch.equal(load().train.labels.unique(), torch.tensor([0, 1]))
