"""Exact copies of images: on one side where they are dealt here, and counted wherever they are."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from client_app.data import copies, prepared, split
from client_app.data.client_data import ClientData
from client_app.data.kept_split import TEST, TRAIN
from client_app.devices.message_device import LocalDevice
from client_app.node import NodeConfig
from strategies.common.errors import DataError, SettingsError
from strategies.common.samples import Samples
from strategies.common.settings import RunSettings

Build = Callable[..., RunSettings]
SMALL = {"min_train_samples": 2, "min_test_samples": 1}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def samples(*values: int) -> Samples:
    pixels = torch.tensor(values, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 2, 2)
    return Samples(pixels, torch.zeros(len(values), dtype=torch.int64))


def save(place: Path, name: str, shade: int, kind: str = "PNG") -> Path:
    place.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 4), shade, dtype=np.uint8)).save(place / name, kind)
    return place / name


def shades(data: ClientData) -> tuple[set[int], set[int]]:
    train, test = (part.inputs[:, 0, 0, 0].tolist() for part in (data.train, data.test))
    return set(train), set(test)


@pytest.fixture
def load(tmp_path: Path, run_settings: Build) -> Callable[..., ClientData]:
    def of(kind: str = "folder", num_clients: int = 1) -> ClientData:
        chosen = run_settings(**SMALL, partition="iid")
        spec = f"{kind}:{tmp_path / 'own'}"
        return prepared.load(chosen, spec, 0, num_clients, tmp_path / "prepared")

    return of


@given(
    st.lists(st.integers(0, 8), min_size=1, max_size=40),
    st.floats(0.01, 0.99),
    st.integers(0, 2**40),
)
@settings(max_examples=60, deadline=None)
def test_no_group_is_split_and_the_share_is_reached(
    which: list[int], fraction: float, seed: int
) -> None:
    group, labels = copies.numbered(which), torch.tensor([3 * one % 4 for one in which])
    train, test = split.split(labels, fraction, seeded(seed), group)
    assert sorted(train.tolist() + test.tolist()) == list(range(len(which)))
    assert not {which[row] for row in train.tolist()} & {which[row] for row in test.tolist()}
    # Something to train on, whatever the share; and enough to test on where that leaves any.
    assert len(train)
    if len(set(which)) > 1:
        largest = max(map(which.count, which))
        wanted = split.sizes(len(which), fraction)[1]
        assert len(test) < wanted + largest
        assert len(test) >= wanted or len({which[row] for row in train.tolist()}) == 1


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.integers(0, 2**40))
@settings(max_examples=30, deadline=None)
def test_a_split_without_copies_is_what_it_was(labels: list[int], seed: int) -> None:
    found = torch.tensor(labels)
    alone = split.split(found, 0.25, seeded(seed))
    grouped = split.split(found, 0.25, seeded(seed), torch.arange(len(found)))
    assert all(map(torch.equal, alone, grouped))


def test_copies_of_images_are_on_one_side_and_counted(
    load: Callable[..., ClientData], tmp_path: Path
) -> None:
    # Each of twenty shades three times: as it is, as a copy, and the same pixels in another file.
    for shade in range(0, 200, 10):
        for name, kind in (
            (f"{shade}.png", "PNG"),
            (f"x{shade}.png", "PNG"),
            (f"{shade}.bmp", "BMP"),
        ):
            save(tmp_path / "own" / "ab"[shade // 10 % 2], name, shade, kind)
    for kind in ("folder", "images"):
        train, test = shades(data := load(kind))
        assert not train & test
        assert (len(train), len(test)) == (15, 5)
        assert data.notes == (
            f"{kind}: 40 of 60 samples are exact copies of others; each is on one side with what "
            f"it copies",
        )


def test_a_copy_that_comes_later_goes_where_its_like_is(
    load: Callable[..., ClientData], tmp_path: Path
) -> None:
    for shade in range(0, 200, 5):
        save(tmp_path / "own" / "ab"[shade // 5 % 2], f"{shade}.png", shade)
    train, test = shades(load())
    # The same pixels in other files, of some that are known and of one that is new.
    for shade in (*sorted(train)[:8], *sorted(test)[:8]):
        save(tmp_path / "own" / "a", f"later{shade}.bmp", shade, "BMP")
    for kind in ("png", "bmp", "gif", "tiff", "ppm"):
        save(tmp_path / "own" / "b", f"new.{kind}", 255, kind.upper())
    later = load()
    assert tuple(found - {255} for found in shades(later)) == (train, test)
    assert len(later.train) + len(later.test) == 40 + 16 + 5
    assert not shades(later)[0] & shades(later)[1]


def test_newcomers_go_where_known_ones_are_else_where_they_can_be_learnt_from() -> None:
    sides = [TEST, TRAIN, TRAIN, TEST, TEST, TEST]
    known = [True, True, False, False, False, True]
    group = ["a", "b", "a", "c", "b", "b"]
    assert copies.together(sides, known, group) == [TEST, TRAIN, TEST, TEST, TRAIN, TEST]
    assert copies.together([TEST, TRAIN], [False, False], ["a", "a"]) == [TRAIN, TRAIN]


def publish(place: Path, train: Iterable[int], test: Iterable[int]) -> str:
    for part, values in (("train", list(train)), ("test", list(test))):
        (place / part).mkdir(parents=True)
        data = np.empty((), dtype=object)
        x = np.array(values, dtype=np.uint8).reshape(-1, 1, 1, 1)
        data[()] = {"x": np.tile(x, (1, 1, 4, 4)), "y": np.array(values) % 2}
        np.savez(place / part / "0.npz", data=data)
    (place / "config.json").write_text('{"num_classes": 2}')
    return "pfllib"


def test_copies_across_a_published_split_are_told(
    load: Callable[..., ClientData], tmp_path: Path
) -> None:
    data = load(publish(tmp_path / "own", range(100, 120), [*range(117, 125), 124]))
    assert data.notes == (
        "pfllib: 4 of 29 samples are exact copies of others; 3 of 9 to test on are copies of ones "
        "to train on",
    )


def test_what_is_told_of_copies() -> None:
    assert copies.told("here", "ab", "c") == ()
    assert copies.told("here", "", "") == ()
    assert copies.told("here", "aab", "c") == (
        "here: 1 of 4 samples are exact copies of others; each is on one side with what it copies",
    )
    assert copies.told_of_questions("here", "aa", "bb") == ()
    assert copies.told_of_questions("here", "aa", "aa") == (
        "here: 2 of 2 questions to test on are about pictures that are trained on, too",
    )


@pytest.mark.parametrize("kind", ["folder", "images"])
def test_what_samples_hold_is_looked_at_once(
    load: Callable[..., ClientData],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    for shade in [*range(0, 160, 8), 8]:
        save(tmp_path / "own" / "ab"[shade % 16 // 8], f"{len([*tmp_path.rglob('*')])}.png", shade)
    looked: list[int] = []
    digests = copies.digests

    def counted(inputs: Tensor) -> list[bytes]:
        looked.append(len(inputs))
        return digests(inputs)

    monkeypatch.setattr(copies, "digests", counted)
    data = load(kind)
    assert any("1 of 21 samples are exact copies" in note for note in data.notes)
    assert looked == [21]


@pytest.mark.parametrize("inside", [".", "state", "ab/state"])
def test_state_within_the_data_is_refused(tmp_path: Path, run_settings: Build, inside: str) -> None:
    publish(tmp_path, range(100, 120), range(120, 125))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SettingsError, match="state-dir: expected a folder outside the data"):
        prepared.load(
            run_settings(**SMALL), f"pfllib:{tmp_path}", 0, 1, tmp_path / inside / "prepared"
        )
    assert sorted(tmp_path.rglob("*")) == before


def test_a_copy_of_what_is_held_out_is_held_out(tmp_path: Path, run_settings: Build) -> None:
    for shade in range(0, 160, 4):
        for name in ("", "x"):
            save(tmp_path / "own" / "ab"[shade // 4 % 2], f"{name}{shade}.png", shade)
        save(tmp_path / "own" / "a", f"{shade}.bmp", shade, "BMP")
    changed = {**SMALL, "validation_share": 0.3, "device": "cpu", "models": "cnn"}
    node = NodeConfig(partition_id=0, num_partitions=1, state_dir=str(tmp_path))
    for spec in (f"folder:{tmp_path / 'own'}", f"images:{tmp_path / 'own'}"):
        chosen = run_settings(**changed, data=spec, state_dir=str(tmp_path), partition="iid")
        device = LocalDevice(node, chosen, 1)
        learnt, held_out = (
            set(part.inputs[:, 0, 0, 0].tolist())
            for part in (device.train, device.validating().test)
        )
        assert not learnt & held_out
        # Of thirty shades to train on, a third of them in files that are no byte for byte copies.
        assert 3 <= len(held_out) <= 15


def test_what_is_all_one_cannot_be_parted(tmp_path: Path, run_settings: Build) -> None:
    publish(tmp_path / "own", [7] * 12, [9] * 4)
    changed = {**SMALL, "validation_share": 0.3, "device": "cpu", "models": "cnn"}
    chosen = run_settings(**changed, data=f"pfllib:{tmp_path / 'own'}", state_dir=str(tmp_path))
    node = NodeConfig(partition_id=0, num_partitions=1, state_dir=str(tmp_path))
    with pytest.raises(DataError, match=r"validation-share: expected .* differ.* 12 of one input"):
        assert LocalDevice(node, chosen, 1).train
