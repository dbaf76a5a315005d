import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from client_app.data import folder, pfllib, pfllib_config, prepared
from client_app.data.looked_at_once import forget_files
from strategies.common.errors import DataError
from strategies.common.samples import Samples
from strategies.common.settings import RunSettings

Build = Callable[..., RunSettings]


def _save(path: Path, x: np.ndarray, y: np.ndarray) -> None:
    path.parent.mkdir(exist_ok=True)
    data = np.empty((), dtype=object)
    data[()] = {"x": x, "y": y}
    np.savez_compressed(path, data=data)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Three clients with 6 + 2 samples whose value is their label."""
    for client in range(3):
        for part, count in (("train", 6), ("test", 2)):
            y = (np.arange(count) + client) % 4
            x = np.broadcast_to(y[:, None, None, None], (count, 1, 2, 3)).astype(np.float32)
            _save(tmp_path / part / f"{client}.npz", x, y)
    (tmp_path / "config.json").write_text(json.dumps({"num_clients": 3, "num_classes": 5}))
    return tmp_path


def test_a_client_is_read_as_published(place: Path) -> None:
    train, test = pfllib.read(place, 2)
    assert train.labels.tolist() == [2, 3, 0, 1, 2, 3]
    assert test.labels.tolist() == [2, 3]
    assert train.inputs.shape == (6, 1, 2, 3)
    assert train.inputs.dtype == torch.float32
    assert train.labels.dtype == torch.int64
    assert train.inputs[:, 0, 0, 0].tolist() == [2, 3, 0, 1, 2, 3]


@pytest.mark.parametrize(
    ("stored", "read"), [("uint8", torch.uint8), ("float64", torch.float32), (">f4", torch.float32)]
)
def test_dtypes(place: Path, stored: str, read: torch.dtype) -> None:
    x = np.full((6, 1, 2, 2), 3, dtype=stored)
    _save(place / "train" / "0.npz", x, np.zeros(6, dtype=np.int32))
    train, _ = pfllib.read(place, 0)
    assert train.inputs.dtype == read
    assert train.inputs.unique().tolist() == [3]
    assert train.labels.dtype == torch.int64


@pytest.mark.parametrize("stored", ["int64", "int16", "uint16", "int32", ">i4"])
def test_whole_numbers_are_bytes_whatever_their_type(place: Path, stored: str) -> None:
    x = np.arange(256).reshape(4, 1, 8, 8).astype(stored)
    _save(place / "train" / "0.npz", x, np.zeros(4, dtype=np.int32))
    train, _ = pfllib.read(place, 0)
    assert train.inputs.dtype == torch.uint8
    assert train.inputs.flatten().tolist() == list(range(256))


def test_a_range_that_hardly_suits_a_network_is_noted(place: Path) -> None:
    def noted(values: torch.Tensor) -> tuple[str, ...]:
        return pfllib.range_note(place, Samples(values, torch.zeros(1)))

    ink = torch.tensor([0, 16]).view(1, 1, 1, 2)
    (few,) = noted(ink.to(torch.uint8))
    assert "reach from 0 to 16, of bytes from 0 to 255: if 16 is white, scale them to 255" in few
    (far,) = noted(ink.float())
    assert "reach from 0 to 16 and are taken as they are" in far
    assert noted(ink.float() / 8 - 1) == noted((ink * 15).to(torch.uint8)) == ()
    # Readings are in units of their own.
    assert noted(ink.float().view(1, 1, 2)) == ()


def test_classes_are_declared_or_counted(place: Path) -> None:
    assert pfllib_config.declared_classes(place) == 5
    assert pfllib.scanned_classes(place) == 4
    (place / "config.json").write_text("{}")
    assert pfllib_config.declared_classes(place) is None
    (place / "config.json").unlink()
    assert pfllib_config.declared_classes(place) is None


def test_classes_have_the_names_that_are_given_or_numbers(place: Path) -> None:
    assert pfllib_config.class_names(place, 5) == ("0", "1", "2", "3", "4")
    (place / "config.json").write_text('{"num_classes": 2, "class_names": ["cat", "dog"]}')
    assert pfllib_config.class_names(place, 2) == ("cat", "dog")
    for bad in ('["cat"]', '["cat", 2]', '"ab"'):
        (place / "config.json").write_text(f'{{"class_names": {bad}}}')
        with pytest.raises(DataError, match="class_names to be a list of 2 texts, one for each"):
            pfllib_config.class_names(place, 2)
    (place / "config.json").write_text('{"class_names": ["hiv+", "hiv-", 3]}')
    with pytest.raises(DataError, match="got a list of 3, of which 2 are texts; write") as caught:
        pfllib_config.class_names(place, 2)
    assert "hiv" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"num_classes": "5"}',
        '{"num_classes": 0}',
        '{"num_classes": true}',
        '{"num_classes": 100001}',
    ],
)
def test_a_bad_config_is_refused(place: Path, text: str) -> None:
    (place / "config.json").write_text(text)
    with pytest.raises(DataError, match=r"config.json: expected"):
        pfllib_config.declared_classes(place)


def test_a_device_needs_its_own_files_only(place: Path) -> None:
    for part in ("train", "test"):
        (place / part / "0.npz").unlink()
        (place / part / "1.npz").unlink()
    assert len(pfllib.read(place, 2)[0]) == 6
    assert [path.name for path in pfllib.files(place)] == ["config.json", "2.npz", "2.npz"]


def test_more_clients_than_files(place: Path) -> None:
    with pytest.raises(DataError, match=r"train/3.npz and test/3.npz .* found 3 train and 3 test"):
        pfllib.read(place, 3)


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a folder at"):
        pfllib.files(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"expected train/N.npz and test/N.npz in .*, found none"):
        pfllib.files(tmp_path)


FLAT = np.zeros((2, 9), dtype=np.float32)
GOOD = np.zeros((2, 1, 3, 3), dtype=np.float32)


@pytest.mark.parametrize(
    ("x", "y", "complaint"),
    [
        (FLAT, np.zeros(2, dtype=np.int64), r"got float32 of shape \(2, 9\)"),
        (FLAT.astype(np.int64) - 1, np.array([0, 1]), r"tokens from 0 .* got int64"),
        (GOOD[:, 0].astype(np.uint8), np.array([0, 1]), r"got uint8 of shape \(2, 3, 3\)"),
        (GOOD[None], np.array([0]), r"got float32 of shape \(1, 2, 1, 3, 3\)"),
        (GOOD, np.zeros(3, dtype=np.int64), r"got x \(2, 1, 3, 3\) and y \(3,\)"),
        (GOOD[:0], np.zeros(0, dtype=np.int64), "expected samples, found none; give the client"),
        (GOOD, np.zeros(0, dtype=np.int64), r"got x \(2, 1, 3, 3\) and y \(0,\)"),
        (GOOD, np.array([0, -1]), "class numbers from 0"),
        (GOOD, np.array([0.0, 1.0]), "from 0 of an integer type, got float64, of which 0 of 2"),
        (GOOD + np.float32("nan"), np.array([0, 1]), "expected finite x, got NaN or infinity"),
        (
            GOOD.astype("float64") + 1e300,
            np.array([0, 1]),
            r"expected finite x, got float64 values beyond the 3.4e\+38 that single",
        ),
        (
            GOOD,
            np.array([0, 2**63], "uint64"),
            "class numbers below 100000, got 1 of 2 that are not",
        ),
        (
            np.stack([GOOD[0], GOOD[0], GOOD[0] + np.float32("inf")]),
            np.array([0, 1, 1]),
            r"train.0\.npz: .*NaN or infinity in 1 of 3 samples, the first in row 2; remove these",
        ),
        (GOOD[..., 0][..., :0], np.array([0, 1]), r"in each sample, got 2 of shape \(1, 0\): no"),
        (GOOD[..., :0, :0].astype("uint8"), np.array([0, 1]), r"got 2 of shape \(1, 0, 0\)"),
        (GOOD[:, :0], np.array([0, 1]), r"got 2 of shape \(0, 3, 3\): .*leave this client out"),
        (FLAT.astype("int64")[:, :0], np.array([0, 1]), r"in each sample, got 2 of shape \(0,\)"),
        (GOOD, np.array([0, 10**12]), "class numbers below 100000, got 1 of 2 that"),
        (np.array([[0, 2**63]] * 2, "uint64"), np.array([0, 1]), "expected tokens up to 92233720"),
        (
            GOOD.astype(np.int64) - 1,
            np.array([0, 1]),
            r"from 0 to 255, got int64 from -1 to -1; sc",
        ),
        (GOOD.astype(np.int32) + 256, np.array([0, 1]), "got int32 from 256 to 256; scale them"),
    ],
)
def test_unusable_arrays_are_refused(
    place: Path, x: np.ndarray, y: np.ndarray, complaint: str
) -> None:
    _save(place / "train" / "0.npz", x, y)
    with pytest.raises(DataError, match=complaint):
        pfllib.read(place, 0)


def test_no_label_is_told(place: Path) -> None:
    labels = np.array([17.5, 41234.0, np.nan, -3.0])
    _save(place / "train" / "0.npz", np.zeros((4, 1, 3, 3), dtype=np.float32), labels)
    with pytest.raises(DataError, match="float64, of which 3 of 4 are none; number") as caught:
        pfllib.read(place, 0)
    reason = str(caught.value).removeprefix(str(place))
    assert not any(told in reason for told in ("17", "4123", "4.12", "-3"))


@pytest.mark.parametrize(
    ("x", "dtype", "shape"),
    [
        (np.ones((2, 9, 1, 128), dtype=np.float32), torch.float32, (2, 9, 128)),
        (np.ones((2, 9, 128), dtype=np.float64), torch.float32, (2, 9, 128)),
        (np.ones((2, 9, 1, 128), dtype=np.uint8), torch.uint8, (2, 9, 1, 128)),
        (np.ones((2, 20), dtype=np.int32), torch.int64, (2, 20)),
        (np.ones((2, 20), dtype=np.uint16), torch.int64, (2, 20)),
    ],
)
def test_windows_and_tokens_are_told_by_type_and_axes(
    place: Path, x: np.ndarray, dtype: torch.dtype, shape: tuple[int, ...]
) -> None:
    _save(place / "train" / "0.npz", x, np.zeros(2, dtype=np.int64))
    train, _ = pfllib.read(place, 0)
    assert (train.inputs.dtype, tuple(train.inputs.shape)) == (dtype, shape)
    assert train.inputs.unique().tolist() == [1]


_PIXELS = np.arange(256, dtype=np.uint8).reshape(4, 1, 8, 8)
_UNIT = (_PIXELS / 255).astype(np.float32)


@pytest.mark.parametrize(
    ("learnt", "tested", "told"),
    [
        (_PIXELS, _UNIT, r"got bytes from 0 to 255 .*and floats from 0 to 1, taken as they are"),
        (_PIXELS, _UNIT * 2 - 1, r"got bytes from 0 to 255 .*and floats from -1 to 1, taken"),
        (_UNIT * 255, _UNIT, r"got floats from 0 to 255.* and floats from 0 to 1, taken"),
        (_UNIT, _UNIT * 2 - 1, r"got floats from 0 to 1.* and floats from -1 to 1, taken"),
        (_UNIT[:, :, 0] * 300, _UNIT[:, :, 0], r"got readings from .* and readings from .*unit"),
    ],
)
def test_what_is_tested_on_another_scale_than_was_learnt_from_is_refused(
    tmp_path: Path, run_settings: Build, learnt: np.ndarray, tested: np.ndarray, told: str
) -> None:
    settings = run_settings(min_train_samples=2, min_test_samples=2)
    place, labels = tmp_path / "data", np.arange(4) % 2

    def load() -> tuple[torch.Tensor, ...]:
        forget_files()
        data = prepared.load(settings, f"pfllib:{place}", 0, 1, tmp_path / "cache")
        return data.train.inputs, data.test.inputs

    place.mkdir()
    _save(place / "train" / "0.npz", learnt, labels)
    _save(place / "test" / "0.npz", tested, labels)
    with pytest.raises(DataError, match="client 0: expected x of one type and scale .*" + told):
        load()
    _save(place / "test" / "0.npz", learnt[:2], labels[:2])
    assert [len(part) for part in load()] == [4, 2]


def _texts(*tokens: int) -> Samples:
    return Samples(torch.tensor([tokens]), torch.tensor([0]))


def test_the_vocabulary_is_declared_and_asked_of_texts_alone(place: Path) -> None:
    pictures = Samples(torch.zeros(1, 1, 2, 2), torch.tensor([0]))
    assert pfllib_config.vocabulary(place, pictures, pictures) == 0
    with pytest.raises(DataError, match=r"token 8 of this client, got none; .* .vocabulary.: 9$"):
        pfllib_config.vocabulary(place, _texts(0, 3), _texts(8, 1))
    (place / "config.json").write_text('{"vocabulary": 9}')
    assert pfllib_config.vocabulary(place, _texts(0, 3), _texts(8, 1)) == 9
    with pytest.raises(DataError, match="vocabulary to be more than token 9 of this client, got 9"):
        pfllib_config.vocabulary(place, _texts(9), _texts(1))
    (place / "config.json").write_text('{"vocabulary": "9"}')
    with pytest.raises(
        DataError, match=r"expected vocabulary to be a positive integer .*, got '9'"
    ):
        pfllib_config.vocabulary(place, _texts(0), _texts(1))


def test_other_names_are_refused(place: Path) -> None:
    data = np.empty((), dtype=object)
    data[()] = {"images": GOOD}
    np.savez(place / "train" / "0.npz", data=data)
    with pytest.raises(DataError, match="expected the arrays x and y, got images"):
        pfllib.read(place, 0)


def test_what_is_no_clients_file_is_counted_with_its_reason(place: Path) -> None:
    assert pfllib.left_out(place) == {}
    assert pfllib.left_out_notes(place, 0) == ()
    for name in (
        ".DS_Store",
        "README.md",
        "rawdata/images-ubyte.gz",
        "train/.hidden.npz",
        "train/backup.npz",
        "train/03.npz",
        "test/1.npz.bak",
        "train/old/0.npz",
        "train/7.npz",
    ):
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_bytes(b"x")
    (place / "test" / "link.npz").symlink_to(place / "nowhere")
    (place / "test" / "9.npz").mkdir()
    (place / "test" / "9.npz" / "inside").write_text("x")
    assert pfllib.left_out(place) == {
        folder.HIDDEN: [".DS_Store", "train/.hidden.npz"],
        pfllib.BESIDE: ["README.md", "rawdata/images-ubyte.gz"],
        pfllib.NAMELESS: ["train/03.npz", "train/backup.npz", "test/1.npz.bak"],
        pfllib.ALONE: ["train/7.npz"],
        folder.DEEPER: ["train/old/0.npz", "test/9.npz/inside"],
        folder.NO_FILE: ["test/link.npz"],
    }
    forget_files()
    (note,) = pfllib.left_out_notes(place, 1)
    # Its own two files, and those that are left out.
    assert note.startswith("pfllib: 11 of 13 files left out: 2 hidden (.DS_Store, ")
    assert "1 without the same client's file in the other folder (train/7.npz)" in note


def test_strays_are_told_by_a_client_and_again_when_they_change(
    place: Path, tmp_path_factory: pytest.TempPathFactory, run_settings: Build
) -> None:
    kept = tmp_path_factory.mktemp("kept") / "prepared"

    def told() -> str:
        # Each time as a process of its own.
        forget_files()
        data = prepared.load(
            run_settings(min_train_samples=2, min_test_samples=1),
            f"pfllib:{place}",
            0,
            3,
            kept,
        )
        return " ".join(data.notes)

    assert "left out" not in told()
    (place / "train" / "notes.txt").write_text("x")
    assert "pfllib: 1 of 3 files left out: 1 not named after a client, as N.npz (train/n" in told()
    (place / "train" / "notes.txt").unlink()
    assert "left out" not in told()


def test_what_no_client_has_is_looked_for_once_for_all_of_them(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []

    def look(folder: Path) -> dict[str, list[str]]:
        looks.append(folder)
        return {"beside": ["train/notes.txt"]}

    monkeypatch.setattr(pfllib, "left_out", look)
    forget_files()
    for client in range(3):
        own = [place / part / f"{client}.npz" for part in pfllib.PARTS]
        expected = [place / "config.json", *own, place / "train" / "notes.txt"]
        assert pfllib.files_of(place, client) == expected
    assert looks == [place]
    forget_files()


def test_a_client_without_files_is_told_what_was_left_out(place: Path, run_settings: Build) -> None:
    (place / "train" / "0.npz").rename(place / "train" / "client0.npz")
    with pytest.raises(DataError, match=r"expected train/0\.npz.*1 not named after a client"):
        prepared.load(run_settings(), f"pfllib:{place}", 0, 3, place.parent / "kept" / "prepared")
