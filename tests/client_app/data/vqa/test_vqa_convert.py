import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from client_app.data.vqa import convert, image_folder
from client_app.data.vqa.asked import Asked


def _png(value: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (value, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def _pictures(folder: Path, *names: str) -> None:
    for value, name in enumerate(names, start=1):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(_png(value))


def _convert(tmp_path: Path, questions: str, *more: str, images: bool = True) -> int:
    words = [f"--questions={tmp_path / questions}", f"--out={tmp_path / 'out'}", *more]
    if images:
        words.append(f"--images={tmp_path / 'images'}")
    return convert.main(words)


def _red(asked: Asked) -> list[int]:
    return asked.read(torch.arange(len(asked)), 2).inputs[:, 0, 0, 0].tolist()  # type: ignore[no-any-return]


def test_vqav2s_own_pair_of_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = "val2014/COCO_val2014_000000262148.jpg", "val2014/COCO_val2014_000000000042.jpg"
    _pictures(tmp_path / "images", first, second)
    asks = [(262148, 0, "Where is he?"), (262148, 1, "Who?"), (42, 2, "What?"), (7, 3, "How?")]
    (tmp_path / "q.json").write_text(
        json.dumps(
            {
                "info": {"year": 2014},
                "questions": [
                    {"image_id": image, "question": text, "question_id": 262148000 + number}
                    for image, number, text in asks
                ],
            }
        )
    )
    annotations = [
        {
            "question_id": 262148000 + number,
            "image_id": image,
            "answer_type": "other",
            "multiple_choice_answer": "down",
            "answers": [
                {"answer": each, "answer_confidence": "yes", "answer_id": n}
                for n, each in enumerate(["down"] * 4 + ["table"] * 6)
            ],
        }
        for image, number, _ in asks
        if number != 1
    ]
    (tmp_path / "a.json").write_text(json.dumps({"annotations": annotations}))
    assert _convert(tmp_path, "q.json", f"--annotations={tmp_path / 'a.json'}") == 0
    told = capsys.readouterr().out
    assert "2 questions about 2 pictures, for data=vqa:" in told
    assert (
        "2 of 4 questions left out: 1 without an answer (row 1), 1 whose picture is missing "
        "(row 3: 7)"
    ) in told
    asked, _ = image_folder.read(tmp_path / "out")
    assert asked.questions == ("Where is he?", "What?")
    assert asked.answers[0] == ("down",) * 4 + ("table",) * 6
    assert asked.pictures == (first, second)
    assert asked.notes == ()
    assert _red(asked) == [1, 2]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        # A-OKVQA
        (
            "a.json",
            json.dumps(
                [
                    {
                        "split": "train",
                        "image_id": 299207,
                        "question_id": "22M",
                        "question": "What?",
                        "choices": ["skunk", "man", "dog"],
                        "correct_choice_idx": 1,
                        "direct_answers": ["man", "men"],
                    }
                ]
            ),
        ),
        # GQA: one object per question, by its identifier
        (
            "g.json",
            json.dumps({"07": {"imageId": "000000299207", "question": "What?", "answer": "man"}}),
        ),
        ("t.tsv", "img\tquery\tlabel\n000000299207.jpg\tWhat?\tman\n"),
        ("t.csv", 'image,question,answers\nsub/000000299207.jpg,What?,"[""man"", ""men""]"\n'),
        ("t.jsonl", '{"picture": "x\\\\000000299207.jpg", "text": "What?", "answer": "man"}\n'),
    ],
)
def test_other_layouts(tmp_path: Path, file: str, text: str) -> None:
    _pictures(tmp_path / "images", "sub/000000299207.jpg", "sub/1.jpg")
    (tmp_path / file).write_text(text)
    assert _convert(tmp_path, file) == 0
    asked, _ = image_folder.read(tmp_path / "out")
    assert asked.questions == ("What?",)
    assert asked.answers[0][0] == "man"
    assert _red(asked) == [1]


def test_names_that_are_not_known_are_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pa.table(
        {
            "bild": pa.array([{"bytes": _png(9), "path": None}, None]),
            "frage": ["Was?", "Wer?"],
            "label": [5, 6],
            "antwort": ["Hund", "Katze"],
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    assert _convert(tmp_path, "t.parquet", images=False) == 1
    told = capsys.readouterr().err
    assert "2 without a question (row 0, row 1); fields of the first: bild, frage, label" in told
    assert not (tmp_path / "out").exists()
    named = "--columns=image=bild, question=frage, answer=antwort"
    assert _convert(tmp_path, "t.parquet", named, images=False) == 0
    assert "1 that name no picture (row 1)" in capsys.readouterr().out
    asked, _ = image_folder.read(tmp_path / "out")
    assert (asked.questions, asked.answers) == (("Was?",), (("hund",),))
    assert _red(asked) == [9]


def test_pictures_of_one_number_are_not_guessed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _pictures(tmp_path / "images", "a_0001.jpg", "b_0001.jpg", "2.jpg")
    (tmp_path / "images" / "3.jpg").symlink_to("nowhere")
    rows = [{"image_id": number, "question": "q", "answer": "x"} for number in (1, 2, 3)]
    (tmp_path / "q.json").write_text(json.dumps(rows))
    assert _convert(tmp_path, "q.json") == 0
    told = capsys.readouterr().out
    assert "1 whose picture may be one of several (row 0: 1)" in told
    assert "1 whose picture is no regular file or not to be opened (row 2: 3)" in told


@pytest.mark.parametrize(
    ("text", "more", "told"),
    [
        ("{", (), "cannot be read as json"),
        ('{"info": 1, "licence": 2}', (), "found info, licence"),
        ("[]", (), "each with a picture and an answer; found none"),
        ("[]", ("--columns=frage",), "--columns: expected e.g. question=frage"),
        ("[]", ("--columns=frage=question",), "--columns: expected KNOWN=NAME with one of"),
        ("[]", ("--annotations=q.txt",), "expected a file that ends in .json"),
        ("[]", ("--images=nowhere",), "--images: expected a folder at"),
    ],
)
def test_what_cannot_be_converted_is_told_in_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    text: str,
    more: tuple[str, ...],
    told: str,
) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "q.json").write_text(text)
    assert _convert(tmp_path, "q.json", *more, images="--images=nowhere" not in more) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "q.json"]


def test_what_is_there_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    (tmp_path / "q.json").write_text("[]")
    assert _convert(tmp_path, "q.json") == 1
    assert "expected a new or empty folder, got one with files in it" in capsys.readouterr().err
