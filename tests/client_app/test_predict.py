"""Images through an exported model: what the data source reads, and what is refused."""

import csv
import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from loopback import Federation
from PIL import Image

from client_app import export, predict
from client_app.data import folder
from client_app.exporting.opened import open_model
from strategies.common.new_file import whole
from strategies.common.samples import prepare
from tests.client_app.test_reader import unread

CLASSES = ("cat", "dog", "owl")
SIDE = 12


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return photos of three classes, of unlike sizes and modes."""
    place = tmp_path_factory.mktemp("data") / "photos"
    noise = torch.Generator().manual_seed(1)
    modes = ("RGB", "L", "RGBA", "P")
    for label, name in enumerate(CLASSES):
        (place / name).mkdir(parents=True)
        for number in range(12):
            shape = (9 + number, 16, 3)
            pixels = torch.randint(80 * label, 80 * label + 90, shape, generator=noise)
            image = Image.fromarray(pixels.to(torch.uint8).numpy())
            image.convert(modes[number % 4]).save(place / name / f"{number:02}.png")
    return place


@pytest.fixture(scope="module")
def model(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a client's model that learnt from photos."""
    place = tmp_path_factory.mktemp("run")
    settings = {
        "method": "local",
        "models": "cnn",
        "data": f"images:{photos}",
        "partition": "iid",
        "image-size": SIDE,
        "rounds": 1,
        "min-nodes": 1,
    }
    Federation(place, 1, settings).play()
    assert export.main([str(place / "state" / "test"), f"--out={place / 'model'}"]) == 0
    return place / "model"


def expected(model: Path, photos: Path) -> list[str]:
    """Return the classes that the model gives to what the data source reads."""
    collection = folder.read(photos)
    reading = collection.read(torch.arange(len(collection.labels)), SIDE)
    network = open_model(model).network
    with torch.no_grad():
        return [CLASSES[n] for n in network(prepare(reading.inputs)).argmax(1).tolist()]


def test_a_folder_is_classified_as_the_data_source_reads_it(
    model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found.csv"
    assert predict.main([str(model), str(photos), f"--csv={out}", "--top=2"]) == 0
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["file", "label", "score", "label_2", "score_2"]
    assert [row["file"] for row in rows] == [str(path) for path in folder.listed(photos).paths]
    assert [row["label"] for row in rows] == expected(model, photos)
    for row in rows:
        assert 1.001 >= float(row["score"]) >= float(row["score_2"]) >= 0
    assert capsys.readouterr().err == "36 images\n"


def test_what_cannot_be_read_is_named_and_the_others_are_classified(
    model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    within = tmp_path / "within"
    within.mkdir()
    (within / "torn.png").write_bytes(b"no image")
    (within / "notes.txt").write_text("no image")
    Image.new("I;16", (8, 8)).save(within / "deep.png")
    one = photos / "cat" / "00.png"
    absent = tmp_path / "absent.png"
    assert predict.main([str(model), str(absent), str(within), str(one)]) == 1
    told = capsys.readouterr()
    (line,) = told.out.splitlines()
    assert line.startswith(f"{one}  {expected(model, photos)[0]}  0.")
    errors = told.err.splitlines()
    assert errors[0] == f"{absent}: no such file or folder"
    assert errors[1].startswith(f"{within / 'deep.png'}: expected 8 bits per channel")
    assert errors[2].startswith(f"{within / 'torn.png'}: UnidentifiedImageError")
    assert errors[3] == "3 images, 1 other files in folders left out, 3 refused"


def test_a_name_that_no_disk_takes_is_refused_and_the_others_are_classified(
    model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long, one = tmp_path / ("n" * 300), photos / "cat" / "00.png"
    assert predict.main([str(model), str(long), str(one)]) == 1
    told = capsys.readouterr()
    assert told.err.splitlines()[0] == f"{long}: cannot be looked at (File name too long)"
    assert told.out.startswith(f"{one}  ")
    assert predict.main([str(long), str(one)]) == 1
    assert "model.json: cannot be read" in capsys.readouterr().err
    assert predict.main([str(model), str(one), f"--csv={long}"]) == 1
    assert "cannot be written (File name too long)" in capsys.readouterr().err


def test_a_table_is_written_into_a_home_folder(
    model: Path,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    for folder_there in ("home", "~"):
        (tmp_path / folder_there).mkdir()
    image = str(photos / "cat" / "00.png")
    assert predict.main([str(model), image, "--csv=~/found.csv"]) == 0
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["found.csv"]
    assert [*(tmp_path / "~").iterdir()] == []
    assert predict.main([str(model), image, "--csv=~nobody-of-that-name/o.csv"]) == 1
    assert "--csv ~nobody-of-that-name/o.csv: expected a home folder" in capsys.readouterr().err


def test_a_folder_without_images_is_refused(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict.main([str(model), str(tmp_path)]) == 1
    assert "a folder without images" in capsys.readouterr().err


def test_no_image_is_overwritten_and_no_other_file_but_such_a_table(
    model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image, thesis, out = tmp_path / "a.png", tmp_path / "thesis.csv", tmp_path / "found.csv"
    image.write_bytes((photos / "cat" / "00.png").read_bytes())
    thesis.write_text("years,of,work\n")
    before = image.read_bytes()
    assert predict.main([str(model), str(image), f"--csv={image}", "--replace"]) == 1
    assert f"got {image}, which is neither and is left alone" in capsys.readouterr().err
    assert predict.main([str(model), str(image), f"--csv={thesis}", "--replace"]) == 1
    assert image.read_bytes() == before
    assert thesis.read_text() == "years,of,work\n"
    for _ in range(2):
        assert predict.main([str(model), str(image), f"--csv={out}", "--replace"]) == 0
    # Whatever such a table is called, one that is an input is not written over.
    assert predict.main([str(model), str(out), f"--csv={out}", "--replace"]) == 1
    assert f"expected another file than those to classify, got {out}" in capsys.readouterr().err


def test_nothing_more_is_classified_when_nobody_reads(model: Path, photos: Path) -> None:
    assert unread("-m", "client_app.predict", str(model), str(photos)) == (0, "")


def test_no_model_is_exported_into_the_data(
    model: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = photos / "cat" / "model"
    assert export.main([str(model.parent / "state" / "test"), f"--out={out}"]) == 1
    assert f"--out: expected a place outside the data {photos}" in capsys.readouterr().err
    assert not out.exists()


def test_a_builder_that_would_not_be_asked_is_refused(
    model: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict.main([str(model), str(photos), "--model=foo.py:X"]) == 1
    told = capsys.readouterr()
    assert "--model foo.py:X: expected none, since this model is cnn, which Nectar" in told.err
    assert told.out == ""


def test_images_of_another_size_are_refused_where_none_are_resized(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"method": "local", "models": "cnn", "data": "digits", "max-samples": 40}
    Federation(tmp_path, 2, {**settings, "rounds": 1}).play()
    state, model = tmp_path / "state" / "test", tmp_path / "model"
    assert export.main([str(state), "--partition=0", f"--out={model}"]) == 0
    for side in (8, 9):
        Image.new("L", (side, side)).save(tmp_path / f"{side}.png")
    capsys.readouterr()
    assert predict.main([str(model), str(tmp_path / "8.png"), str(tmp_path / "9.png")]) == 1
    told = capsys.readouterr()
    assert len(told.out.splitlines()) == 1
    assert "9.png: expected 8x8 pixels, got 9x9" in told.err


def test_a_file_that_is_there_is_left_alone(
    model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine.csv"
    out.write_text("file,label,score\nmine,cat,1\n")
    words = [str(model), str(photos / "cat" / "00.png"), f"--csv={out}"]
    assert predict.main(words) == 1
    assert "exists already" in capsys.readouterr().err
    assert "mine" in out.read_text()
    assert predict.main([*words, "--replace"]) == 0
    assert out.read_text().startswith("file,label,score\n" + str(photos))


def test_a_table_that_another_command_writes_is_told_before_the_work(
    model: Path,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, image = tmp_path / "found.csv", photos / "cat" / "00.png"
    monkeypatch.setattr(predict, "_row", lambda _: pytest.fail("the work began"))
    with whole(out, replace=False) as first:
        first.write_text("of the first")
        assert predict.main([str(model), str(image), f"--csv={out}"]) == 1
    assert "found.csv: another process is writing this file" in capsys.readouterr().err
    assert out.read_text() == "of the first"


def test_no_model_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert predict.main([str(tmp_path), str(tmp_path)]) == 1
    assert "write one with python -m client_app.export" in capsys.readouterr().err


def test_a_card_of_nothing_but_brackets_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.json").write_text("[" * 100_000)
    assert predict.main([str(tmp_path), str(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"StoreError: {tmp_path / 'model.json'}: cannot be read (maximum")


def test_fewer_than_one_class_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        predict.main(["model", "image", "--top=0"])
    assert "expected a whole number from 1 on, got '0'" in capsys.readouterr().err


def edited(model: Path, folder: Path, **changes: object) -> Path:
    """Return a copy of an export with another card."""
    shutil.copytree(model, folder)
    card = json.loads((folder / "model.json").read_text())
    for name, value in changes.items():
        if name == "name":
            card["architecture"]["name"] = value
        else:
            card[name] = value
    (folder / "model.json").write_text(json.dumps(card))
    return folder


def test_a_card_alone_makes_nobody_run_code(
    model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = tmp_path / "ran"
    code = tmp_path / "net.py"
    code.write_text(f"open({str(ran)!r}, 'w')\nNet = None\n")
    sys.modules.pop("this", None)
    for number, name in enumerate((f"{code}:Net", "this:d")):
        card = edited(model, tmp_path / str(number), name=name)
        assert predict.main([str(card), str(photos)]) == 1
        assert "whose code is run only where you name it" in capsys.readouterr().err
    assert not ran.exists()
    assert "this" not in sys.modules


@pytest.mark.parametrize(
    "changes",
    [
        {"image_size": -5},
        {"image_size": 10**9},
        {"client": -1},
        {"inputs": {"kind": "images", "sizes": {"c": 1, "h": 10**6, "w": 10**6}}},
        {"inputs": {"kind": "images", "sizes": {"c": 1, "h": -8, "w": -8}}},
    ],
)
def test_a_card_with_numbers_that_cannot_be_is_refused(
    model: Path,
    photos: Path,
    tmp_path: Path,
    changes: dict[str, object],
    capsys: pytest.CaptureFixture[str],
) -> None:
    card = edited(model, tmp_path / "card", **changes)
    assert predict.main([str(card), str(photos)]) == 1
    assert "model.json: expected a whole card" in capsys.readouterr().err
