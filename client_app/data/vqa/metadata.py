"""``metadata.jsonl``: one JSON object per line, which tells a picture, a question and answers."""

import json
from pathlib import Path, PurePosixPath

from client_app.data import left_out
from client_app.data.vqa import entry
from client_app.data.vqa.asked import reckoned
from client_app.data.vqa.entry import Entry
from strategies.common.errors import DataError

NAME = "metadata.jsonl"

EXAMPLE = '{"file_name": "1.jpg", "question": "what is on the table?", "answers": ["a cup", "mug"]}'

# Why a line is left out; each reads on from a number.
NO_OBJECT = "that are no JSON object"
NO_PICTURE = "that name no picture"
OUTSIDE = "whose picture lies outside of the folder"


def read(path: Path) -> list[Entry]:
    """Read a file; empty lines are passed over, and lines that cannot be used say why.

    Returns
    -------
    list[Entry]
        One per line, of which at least one can be used.

    Raises
    ------
    DataError
        If the file cannot be read, or no line of it can be used: what was expected and found.
    """
    rows = lines(path)
    entries = [_entry(row, place) for place, row in rows]
    if all(each.reason for each in entries):
        found = next((row for _, row in rows if row is not None), {})
        fields = ", ".join(map(left_out.shown, found)) or "none"
        raise DataError(
            f"{path}: expected one line per question such as {EXAMPLE}; found "
            f"{left_out.reasons(reckoned(entries)) or 'no line'}; fields of the first object: "
            f"{fields}; other layouts are converted by python -m client_app.data.vqa.convert"
        )
    return entries


def lines(path: Path) -> list[tuple[str, dict[str, object] | None]]:
    """Read the objects of a file of JSON lines, each with its place; ``None`` is none.

    Raises
    ------
    DataError
        If the file cannot be opened.
    """
    try:
        # By the byte, so that one line that is no UTF-8 spoils no other.
        raw = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    except OSError as error:
        raise DataError(f"{path}: expected a file of JSON lines, got: {error.strerror}") from None
    return [
        (f"line {number}", _object(line))
        for number, line in enumerate(raw, start=1)
        if line.strip()
    ]


def _object(line: bytes) -> dict[str, object] | None:
    try:
        found = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _entry(row: dict[str, object] | None, place: str) -> Entry:
    if row is None:
        return Entry(place, reason=NO_OBJECT)
    named = entry.fields(row)
    picture = row.get(named.picture)
    if not isinstance(picture, str) or not picture.strip():
        return Entry(place, reason=NO_PICTURE)
    path = PurePosixPath(picture)
    if path.is_absolute() or ".." in path.parts or "\0" in picture:
        return Entry(place, reason=OUTSIDE)
    return entry.entry(row, named, place, picture)
