import json
from pathlib import Path

import pytest

from client_app.data.vqa import metadata
from client_app.data.vqa.entry import Entry
from strategies.common.errors import DataError

GOOD = '{"file_name": "a.png", "question": "what?", "answer": "x"}'


def _write(folder: Path, text: str) -> Path:
    path = folder / "metadata.jsonl"
    path.write_text(text, encoding="utf-8")
    return path


def test_all_forms_of_answers(tmp_path: Path) -> None:
    path = _write(
        tmp_path,
        '\ufeff{"file_name": "a.png", "question": "what?", "answer": "Ein Böot", "extra": 1}\n'
        "\n"
        '{"file_name": "b/a.png", "question": "how?", "answers": ["x", ""], "answer": "y"}\r\n'
        '{"file_name": "a.png", "question": "is it?", "answers": [{"answer": "no", "id": 3}]}',
    )
    assert metadata.read(path) == [
        Entry("line 1", "what?", ("Ein Böot",), "a.png"),
        Entry("line 3", "how?", ("x", ""), "b/a.png"),
        Entry("line 4", "is it?", ("no",), "a.png"),
    ]


@pytest.mark.parametrize(
    ("names", "answers"),
    [
        ({"image": "a.png", "query": "q", "label": "cat"}, ("cat",)),
        ({"Img": "a.png", "Text": "q", "Answer": 3}, ("3",)),
        ({"picture": "a.png", "question": "q", "text": "?", "answers": "x"}, ("x",)),
        (
            {"file_name": "a.png", "question": "q", "answers": ["x", 3, None, {}]},
            ["x", "3", "", ""],
        ),
        ({"image": "a.png", "question": "q", "multiple_choice_answer": "net"}, ("net",)),
        (
            {"image": "a.png", "question": "q", "choices": ["a", "b"], "correct_choice_idx": 1},
            ("b",),
        ),
    ],
)
def test_names_that_users_have(
    tmp_path: Path, names: dict[str, object], answers: tuple[str, ...]
) -> None:
    (found,) = metadata.read(_write(tmp_path, json.dumps(names)))
    assert found == Entry("line 1", "q", tuple(answers), "a.png")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", metadata.NO_OBJECT),
        ("[" * 100_000, metadata.NO_OBJECT),
        ("[]", metadata.NO_OBJECT),
        ('{"question": "q", "answer": "x"}', metadata.NO_PICTURE),
        ('{"file_name": 1, "question": "q", "answer": "x"}', metadata.NO_PICTURE),
        ('{"file_name": "a", "question": " ", "answer": "x"}', "without a question"),
        ('{"file_name": "a", "answer": "x"}', "without a question"),
        ('{"file_name": "a", "question": "q"}', "without an answer"),
        ('{"file_name": "a", "question": "q", "answer": null}', "without an answer"),
        ('{"file_name": "a", "question": "q", "answers": []}', "without an answer"),
        ('{"file_name": "a", "question": "q", "answers": [{}]}', "without an answer"),
        ('{"file_name": "a", "question": "q", "label": 3}', "whose label is a number without a na"),
        ('{"file_name": "/a", "question": "q", "answer": "x"}', metadata.OUTSIDE),
        ('{"file_name": "b/../../a", "question": "q", "answer": "x"}', metadata.OUTSIDE),
    ],
)
def test_a_bad_line_says_why_and_spoils_no_other(tmp_path: Path, line: str, reason: str) -> None:
    first, bad, last = metadata.read(_write(tmp_path, f"{GOOD}\n\n{line}\n{GOOD}\n"))
    assert (first.place, bad.place, last.place) == ("line 1", "line 3", "line 4")
    assert bad.reason.startswith(reason)
    assert first.reason == last.reason == ""


def test_nothing_but_bad_lines(tmp_path: Path) -> None:
    path = _write(tmp_path, '{"bild": "a.png", "frage": "q"}\nnonsense\n')
    told = (
        r"expected one line per question such as .*found 1 that name no picture \(line 1\), 1 that "
        r"are no JSON object \(line 2\); fields of the first object: bild, frage; .*convert"
    )
    with pytest.raises(DataError, match=told):
        metadata.read(path)


def test_no_lines(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected one line per question .*found no line"):
        metadata.read(_write(tmp_path, "\n \n"))


def test_no_text(tmp_path: Path) -> None:
    path = tmp_path / "metadata.jsonl"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="1 that are no JSON object"):
        metadata.read(path)
    with pytest.raises(DataError, match="expected a file of JSON lines, got: No such file"):
        metadata.read(tmp_path / "missing.jsonl")
