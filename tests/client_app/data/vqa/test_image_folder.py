import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from client_app.data.vqa import image_folder
from strategies.common.errors import DataError


def _fill(place: Path, values: list[int]) -> None:
    """Save pictures of one value each, and ask of each what its value is."""
    (place / "pictures").mkdir(parents=True)
    lines = []
    for value in values:
        name = f"pictures/{value}.png"
        Image.fromarray(np.full((4, 5, 3), value, dtype=np.uint8)).save(place / name)
        entry = {"file_name": name, "question": f"is it {value} ?", "answers": ["yes", str(value)]}
        lines.append(json.dumps(entry))
    (place / "metadata.jsonl").write_text("\n".join(lines))


def test_one_folder(tmp_path: Path) -> None:
    _fill(tmp_path, [30, 20, 10])
    asked, test = image_folder.read(tmp_path)
    assert test is None
    assert asked.questions == ("is it 30 ?", "is it 20 ?", "is it 10 ?")
    assert asked.answers[1] == ("yes", "20")
    reading = asked.read(torch.tensor([0, 2]), 3)
    assert reading.inputs.shape == (2, 3, 3, 3)
    assert reading.inputs[:, 0, 0, 0].tolist() == [30, 10]


def test_train_and_test_stay_apart(tmp_path: Path) -> None:
    _fill(tmp_path / "train", [1, 2])
    _fill(tmp_path / "test", [3])
    train, test = image_folder.read(tmp_path)
    assert test is not None
    assert train.questions == ("is it 1 ?", "is it 2 ?")
    assert test.read(torch.tensor([0]), 2).inputs[:, 0, 0, 0].tolist() == [3]


def test_a_missing_picture_is_skipped_and_counted(tmp_path: Path) -> None:
    _fill(tmp_path, [1, 2, 3])
    (tmp_path / "pictures" / "2.png").unlink()
    (tmp_path / "pictures" / "3.png").write_bytes(b"broken")
    asked, _ = image_folder.read(tmp_path)
    assert asked.questions == ("is it 1 ?", "is it 3 ?")
    assert asked.notes == (
        f"vqa {tmp_path}: 1 of 3 questions left out: 1 whose picture is missing "
        f"(line 2: pictures/2.png)",
    )
    reading = asked.read(torch.arange(2), 4)
    assert reading.kept.tolist() == [0]
    assert reading.notes == (
        f"vqa {tmp_path}: 1 of 2 images could not be read and was skipped: pictures/3.png",
    )


def test_files_are_the_metadata_and_all_that_lies_beside_it(tmp_path: Path) -> None:
    _fill(tmp_path / "train", [2, 1])
    _fill(tmp_path / "test", [3])
    (tmp_path / "train" / "pictures" / "2.png").unlink()
    (tmp_path / "train" / "other.png").write_bytes(b"")
    assert [path.relative_to(tmp_path).as_posix() for path in image_folder.files(tmp_path)] == [
        "train/metadata.jsonl",
        "test/metadata.jsonl",
        "test/pictures/3.png",
        "train/other.png",
        "train/pictures/1.png",
    ]


def test_files_that_no_question_is_about_are_counted(tmp_path: Path) -> None:
    _fill(tmp_path, [1, 2])
    for name in ("pictures/other.png", "README.md", ".hidden"):
        (tmp_path / name).write_bytes(b"")
    asked, _ = image_folder.read(tmp_path)
    assert asked.notes == (
        f"vqa {tmp_path}: 3 of 6 files left out: 1 hidden (.hidden), 2 that no question with an "
        f"answer is about (README.md, pictures/other.png)",
    )


def test_no_folder_and_no_metadata(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"vqa: expected a folder at .*nowhere"):
        image_folder.read(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"expected metadata.jsonl in .*found it in neither"):
        image_folder.read(tmp_path)


def test_half_a_split(tmp_path: Path) -> None:
    _fill(tmp_path / "train", [1])
    with pytest.raises(DataError, match=r"each of its folders train and test; found it in train"):
        image_folder.read(tmp_path)


def test_both_layouts_at_once(tmp_path: Path) -> None:
    _fill(tmp_path, [1])
    _fill(tmp_path / "test", [2])
    with pytest.raises(DataError, match="found it in both"):
        image_folder.files(tmp_path)


def test_bad_lines_are_counted_and_the_others_used(tmp_path: Path) -> None:
    _fill(tmp_path, [1, 2])
    picture = '"file_name": "pictures/1.png", "question": "is it?"'
    with (tmp_path / "metadata.jsonl").open("ab") as file:
        lines = [b"nonsense", b'{"a": "\xff"}', f'{{{picture}, "answers": []}}'.encode()]
        lines += [f'{{{picture}, "answers": null}}'.encode()]
        lines += [b'{"file_name": "gone.png", "question": "is it?", "answer": "x"}']
        file.write(b"\n" + b"\n".join(lines))
    asked, _ = image_folder.read(tmp_path)
    assert len(asked) == 2
    assert asked.notes == (
        f"vqa {tmp_path}: 5 of 7 questions left out: 2 that are no JSON object (line 3, line 4), "
        f"2 without an answer (line 5, line 6), 1 whose picture is missing (line 7: gone.png)",
    )


def test_what_lies_there_in_place_of_metadata_is_named_with_the_command(tmp_path: Path) -> None:
    (tmp_path / "train2014").mkdir()
    (tmp_path / "v2_questions.json").write_text("{}")
    told = r"beside it: train2014/, v2_questions.json. .*python -m client_app.data.vqa.convert"
    with pytest.raises(DataError, match=told):
        image_folder.read(tmp_path)


def test_pictures_that_are_all_missing_are_the_reason(tmp_path: Path) -> None:
    _fill(tmp_path, [1, 2])
    for name in ("1.png", "2.png"):
        (tmp_path / "pictures" / name).unlink()
    with pytest.raises(DataError, match=r"found 2 whose picture is missing \(line 1: pictures/1"):
        image_folder.read(tmp_path)
