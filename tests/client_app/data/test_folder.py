from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from client_app.data import folder
from client_app.data.left_out import LeftOut, told
from strategies.common.errors import DataError


def _save(path: Path, value: int, size: tuple[int, int] = (4, 4), mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full(size + ((3,) if mode == "RGB" else ()), value, dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for value in range(3):
        _save(tmp_path / "dogs" / f"{value}.png", 100 + value)
        _save(tmp_path / "cats" / f"{value}.PNG", value)
    (tmp_path / "cats" / "notes.txt").write_text("not an image")
    _save(tmp_path / ".thumbnails" / "x.png", 1)
    return tmp_path


def _read_all(place: Path, image_size: int = 0) -> tuple[torch.Tensor, list[int], LeftOut]:
    collection = folder.read(place)
    reading = collection.read(torch.arange(len(collection.labels)), image_size)
    return reading.inputs, reading.kept.tolist(), reading.left_out


def test_classes_are_the_sorted_subfolders(place: Path) -> None:
    collection = folder.read(place)
    assert collection.class_names == ("cats", "dogs")
    assert collection.labels.tolist() == [0, 0, 0, 1, 1, 1]
    inputs, kept, left_out = _read_all(place)
    assert inputs.shape == (6, 3, 4, 4)
    assert inputs[:, 0, 0, 0].tolist() == [0, 1, 2, 100, 101, 102]
    assert kept == [0, 1, 2, 3, 4, 5]
    assert left_out == {}


def test_a_class_list_fixes_the_classes(place: Path) -> None:
    (place / "classes.txt").write_text("birds\ndogs\n\n cats \n")
    collection = folder.read(place)
    assert collection.class_names == ("birds", "dogs", "cats")
    assert collection.labels.tolist() == [1, 1, 1, 2, 2, 2]
    assert folder.files(place)[0].name == "classes.txt"


def test_an_empty_subfolder_is_a_class(place: Path) -> None:
    (place / "birds").mkdir()
    assert folder.read(place).class_names == ("birds", "cats", "dogs")


@pytest.mark.parametrize(
    ("listing", "complaint"),
    [("cats\n", "found none for 'dogs'"), ("cats\ncats\ndogs", "each once"), ("\n", "each once")],
)
def test_a_bad_class_list(place: Path, listing: str, complaint: str) -> None:
    (place / "classes.txt").write_text(listing)
    with pytest.raises(DataError, match=complaint):
        folder.read(place)


def test_a_broken_image_is_skipped_counted_and_named(place: Path) -> None:
    (place / "cats" / "1.PNG").write_bytes(b"broken")
    inputs, kept, left_out = _read_all(place)
    assert len(inputs) == 5
    assert kept == [0, 2, 3, 4, 5]
    assert left_out == {"that cannot be decoded": ["cats/1.PNG"]}


def test_many_broken_images_are_not_all_named(place: Path) -> None:
    for number in range(7):
        (place / "cats" / f"x{number}.jpg").write_bytes(b"")
    _, _, left_out = _read_all(place)
    assert told("folder", left_out, 13) == (
        "folder: 7 of 13 files left out: 7 that cannot be decoded (cats/x0.jpg, cats/x1.jpg, "
        "cats/x2.jpg, ...)",
    )


def test_nothing_readable(tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats" / "a.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"none of the 1 images .*\(cats/a.jpg\)"):
        _read_all(tmp_path)


def test_unlike_sizes(place: Path) -> None:
    _save(place / "cats" / "9.png", 9, (6, 5))
    with pytest.raises(DataError, match="set image-size"):
        _read_all(place)
    assert _read_all(place, 8)[0].shape == (7, 3, 8, 8)


def test_one_channel_only_if_all_are_grey(tmp_path: Path) -> None:
    _save(tmp_path / "a" / "1.png", 5, mode="L")
    assert _read_all(tmp_path)[0].shape == (1, 1, 4, 4)
    _save(tmp_path / "a" / "2.png", 5)
    assert _read_all(tmp_path)[0].shape == (2, 3, 4, 4)


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a folder at"):
        folder.read(tmp_path / "nowhere")
    with pytest.raises(DataError, match="expected subfolders named after classes"):
        folder.read(tmp_path)
    (tmp_path / "cats").mkdir()
    with pytest.raises(DataError, match=r"expected images \(.*.jpg.*class folders 'cats'"):
        folder.read(tmp_path)


NFC, NFD = "\u00e9cole", "e\u0301cole"


@pytest.mark.parametrize("name", [NFC, NFD])
def test_names_are_sorted_and_looked_up_in_one_form(tmp_path: Path, name: str) -> None:
    _save(tmp_path / name / "1.png", 7)
    _save(tmp_path / "zoo" / "1.png", 9)
    # By its bytes the decomposed name would come before "zoo".
    collection = folder.read(tmp_path)
    assert collection.class_names == ("zoo", NFC)
    assert collection.labels.tolist() == [0, 1]
    assert _read_all(tmp_path)[0][:, 0, 0, 0].tolist() == [9, 7]
    other = NFD if name == NFC else NFC
    (tmp_path / "classes.txt").write_text(f"{other}\nzoo\n", encoding="utf-8")
    assert folder.read(tmp_path).class_names == (NFC, "zoo")
    assert _read_all(tmp_path)[0][:, 0, 0, 0].tolist() == [7, 9]
    (tmp_path / "classes.txt").write_text(f"{NFC}\n{NFD}\nzoo\n", encoding="utf-8")
    with pytest.raises(DataError, match="each once"):
        folder.read(tmp_path)


def test_two_forms_of_one_name_are_one_class(tmp_path: Path) -> None:
    _save(tmp_path / NFC / "1.png", 1)
    _save(tmp_path / NFD / "1.png", 2)
    collection = folder.read(tmp_path)
    assert collection.class_names == (NFC,)
    assert sorted(_read_all(tmp_path)[0][:, 0, 0, 0].tolist()) == [1, 2]
    assert sum(path.is_file() for path in folder.files(tmp_path)) == 2


def test_a_class_folder_whose_name_is_no_text_is_refused_by_name(place: Path) -> None:
    (place / b"caf\xe9".decode("utf-8", "surrogateescape")).mkdir()
    with pytest.raises(
        DataError, match=r"names are UTF-8, got 'caf\\xe9' in .*; rename it"
    ) as told:
        folder.read(place)
    assert str(told.value).encode()


@pytest.mark.parametrize("channels", [1, 3])
def test_channels_are_chosen_whatever_the_images_are(tmp_path: Path, channels: int) -> None:
    _save(tmp_path / "grey" / "a" / "1.png", 5, mode="L")
    _save(tmp_path / "coloured" / "a" / "1.png", 5)
    for name in ("grey", "coloured"):
        reading = folder.read(tmp_path / name, channels).read(torch.arange(1), 0)
        assert reading.inputs.shape == (1, channels, 4, 4)
        assert reading.inputs.unique().tolist() == [5]
