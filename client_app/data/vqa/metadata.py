"""``metadata.jsonl``: one JSON object per line, which tells a picture, a question and answers."""

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import final

from strategies.common.errors import DataError

NAME = "metadata.jsonl"

EXAMPLE = '{"file_name": "1.jpg", "question": "what is on the table?", "answers": ["a cup", "mug"]}'


@final
@dataclass(frozen=True)
class Entry:
    """One line.

    Attributes
    ----------
    file_name : str
        Picture, relative to the file's folder and inside it.
    question : str
        In the words of whoever asks.
    answers : tuple[str, ...]
        One per annotator.
    """

    file_name: str
    question: str
    answers: tuple[str, ...]


def read(path: Path) -> list[Entry]:
    """Read a file; empty lines are passed over.

    Raises
    ------
    DataError
        With the number of a line that is no such object, or if there is none.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: expected UTF-8 text, got: {error}") from None
    entries = [
        _entry(line, f"{path}, line {number}")
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    if not entries:
        raise DataError(f"{path}: expected one line per question such as {EXAMPLE}, found none")
    return entries


def _entry(line: str, where: str) -> Entry:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: expected JSON such as {EXAMPLE}, got: {error}") from None
    if not isinstance(fields, dict):
        raise DataError(f"{where}: expected an object such as {EXAMPLE}, got {line.strip()[:80]}")
    return Entry(
        _file_name(fields.get("file_name"), where),
        _text(fields.get("question"), "question", where),
        _answers(fields, where),
    )


def _file_name(value: object, where: str) -> str:
    name = _text(value, "file_name", where)
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise DataError(f"{where}: expected a file_name inside the folder, got {name!r}")
    return name


def _answers(fields: dict[str, object], where: str) -> tuple[str, ...]:
    if "answers" not in fields:
        return (_text(fields.get("answer"), "answers, or one answer", where),)
    given = fields["answers"]
    if not isinstance(given, list) or not given:
        raise DataError(f"{where}: expected answers as a list of texts, got {given!r}")
    texts = [each.get("answer") if isinstance(each, dict) else each for each in given]
    return tuple(_text(text, "answers", where, may_be_empty=True) for text in texts)


def _text(value: object, field: str, where: str, *, may_be_empty: bool = False) -> str:
    if not isinstance(value, str) or not (may_be_empty or value.strip()):
        raise DataError(f"{where}: expected text for {field}, got {value!r}")
    return value
