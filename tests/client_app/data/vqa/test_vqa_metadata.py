from pathlib import Path

import pytest

from client_app.data.vqa import metadata
from client_app.data.vqa.metadata import Entry
from strategies.common.errors import DataError

GOOD = '{"file_name": "a.png", "question": "what?", "answer": "x"}'


def _write(folder: Path, text: str) -> Path:
    path = folder / "metadata.jsonl"
    path.write_text(text, encoding="utf-8")
    return path


def test_all_forms_of_answers(tmp_path: Path) -> None:
    path = _write(
        tmp_path,
        '{"file_name": "a.png", "question": "what?", "answer": "Ein Böot", "extra": 1}\n'
        "\n"
        '{"file_name": "b/a.png", "question": "how?", "answers": ["x", ""], "answer": "y"}\r\n'
        '{"file_name": "a.png", "question": "is it?", "answers": [{"answer": "no", "id": 3}]}',
    )
    assert metadata.read(path) == [
        Entry("a.png", "what?", ("Ein Böot",)),
        Entry("b/a.png", "how?", ("x", "")),
        Entry("a.png", "is it?", ("no",)),
    ]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "line 3: expected JSON such as"),
        ("[" * 100_000, "line 3: expected JSON such as"),
        ("[]", r"line 3: expected an object .*got \[\]"),
        ('{"question": "q", "answer": "x"}', "line 3: expected text for file_name, got None"),
        ('{"file_name": 1, "question": "q", "answer": "x"}', "line 3: .*file_name, got 1"),
        ('{"file_name": "a", "question": " ", "answer": "x"}', "line 3: .*for question, got ' '"),
        ('{"file_name": "a", "answer": "x"}', "line 3: expected text for question, got None"),
        ('{"file_name": "a", "question": "q"}', "line 3: .*for answers, or one answer, got None"),
        ('{"file_name": "a", "question": "q", "answer": 3}', "line 3: .*or one answer, got 3"),
        ('{"file_name": "a", "question": "q", "answers": []}', "line 3: .*list of texts, got"),
        ('{"file_name": "a", "question": "q", "answers": "x"}', "line 3: .*list of texts, got"),
        ('{"file_name": "a", "question": "q", "answers": ["x", 3]}', "line 3: .*answers, got 3"),
        ('{"file_name": "a", "question": "q", "answers": [{}]}', "line 3: .*answers, got None"),
        ('{"file_name": "/a", "question": "q", "answer": "x"}', "line 3: .*inside the folder"),
        ('{"file_name": "b/../../a", "question": "q", "answer": "x"}', "line 3: .*inside the fol"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, complaint: str) -> None:
    path = _write(tmp_path, f"{GOOD}\n\n{line}\n{GOOD}\n")
    with pytest.raises(DataError, match=f"metadata.jsonl, {complaint}"):
        metadata.read(path)


def test_no_lines(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected one line per question .*found none"):
        metadata.read(_write(tmp_path, "\n \n"))


def test_no_text(tmp_path: Path) -> None:
    path = tmp_path / "metadata.jsonl"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="expected UTF-8 text"):
        metadata.read(path)
    with pytest.raises(DataError, match="expected UTF-8 text"):
        metadata.read(tmp_path / "missing.jsonl")
