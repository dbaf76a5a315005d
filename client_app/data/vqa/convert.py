"""Bring questions of other layouts into the one that ``vqa:<dir>`` reads.

``python -m client_app.data.vqa.convert --questions FILE --images DIR --out DIR`` writes
``metadata.jsonl`` and, beside it, the pictures that it names: as links to the same contents where
the disk allows that, else as copies. VQAv2 has its answers in a second file (``--annotations``).
Whatever cannot be used is counted with its reason, and nothing is written where nothing can.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from client_app.command import exit_status
from client_app.data import left_out
from client_app.data.vqa import entry, metadata, rows
from client_app.data.vqa.asked import reckoned
from client_app.data.vqa.entry import Entry
from client_app.data.vqa.picture_files import PictureFiles, contents, put
from client_app.data.vqa.rows import Row
from client_app.new_folder import free_place, whole
from strategies.common.errors import DataError, SettingsError
from strategies.common.typed_once import CommandLine

PICTURE_IDS = ("image_id", "imageid", "img_id", "picture_id")

# A field that is named in --columns stands for all of its kind.
_KINDS = (
    (*entry.PICTURES, *PICTURE_IDS),
    entry.QUESTIONS,
    entry.ANSWERS,
    entry.CHOICES,
    rows.QUESTION_IDS,
)
_KNOWN = tuple(name for kind in _KINDS for name in kind)


def main(arguments: Sequence[str] | None = None) -> int:
    """Convert, and return the exit status: 0, or 1 if nothing was written.

    Parameters
    ----------
    arguments : Sequence[str] | None
        The command line; ``None`` takes the process's own.
    """
    asked = _parser().parse_args(arguments)
    return exit_status(lambda: _convert(asked))


def _convert(asked: argparse.Namespace) -> list[str]:
    place = free_place(asked.out)
    named = _columns(asked.columns)
    found = rows.read(asked.questions)
    answers = _annotations(asked.annotations, named) if asked.annotations else {}
    files = PictureFiles(asked.images) if asked.images else None
    entries: list[Entry] = []
    seen: list[str] = []
    with whole(place) as folder:
        with (folder / metadata.NAME).open("w", encoding="utf-8") as lines:
            for where, raw in found.rows:
                row = None if raw is None else _renamed(raw, named)
                if row is not None:
                    seen = seen or list(raw or {})
                    row |= answers.get(_identifier(row), {})
                each = _placed(row, where, found.categories, files, folder)
                entries.append(each)
                if not each.reason:
                    lines.write(_line(each))
        missing = reckoned(entries)
        if all(each.reason for each in entries):
            raise DataError(
                f"{asked.questions}: expected questions, each with a picture and an answer; found "
                f"{left_out.reasons(missing) or 'none'}; fields of the first: "
                f"{', '.join(seen) or 'none'}; say with --columns which is which, e.g. "
                f"question=NAME,answer=NAME,image=NAME"
            )
    used = [each for each in entries if not each.reason]
    pictures = len({each.picture for each in used})
    return [
        f"{asked.out}: {len(used)} questions about {pictures} pictures, for data=vqa:{place}",
        *left_out.told(str(asked.questions), missing, len(entries), "questions"),
    ]


def _placed(
    row: Row,
    where: str,
    categories: Mapping[str, tuple[str, ...]],
    files: PictureFiles | None,
    folder: Path,
) -> Entry:
    """Return a row as a question whose picture is in the folder, or why it is none."""
    if row is None:
        return Entry(where, reason=metadata.NO_OBJECT)
    chosen = entry.fields(row)
    chosen = replace(chosen, categories=categories.get(chosen.answer, ()))
    each = entry.entry(row, chosen, where)
    if each.reason:
        return each
    picture = row.get(chosen.picture)
    if picture is None:
        picture = row.get(entry.first(row, PICTURE_IDS))
    inside = contents(picture)
    if inside is not None:
        name = put(folder, f"{where.replace(' ', '-')}", inside)
        return replace(each, picture=name)
    if isinstance(picture, Mapping):
        picture = picture.get("path")
    if not isinstance(picture, str | int) or picture == "":
        return replace(each, reason=metadata.NO_PICTURE)
    if files is None:
        raise DataError(
            f"{where}: expected pictures in the table, got the name {picture!r}; say with --images "
            f"in which folder they lie"
        )
    name, reason = files.find(picture)
    if reason:
        return replace(each, place=f"{where}: {picture}", reason=reason)
    files.link(name, folder)
    return replace(each, picture=name)


def _line(each: Entry) -> str:
    fields = {"file_name": each.picture, "question": each.question, "answers": each.answers}
    return json.dumps(fields, ensure_ascii=False) + "\n"


def _annotations(path: Path, named: Mapping[str, str]) -> dict[str, dict[str, object]]:
    """Return what a second file tells of questions, by their identifiers."""
    found = [_renamed(row, named) for _, row in rows.read(path).rows if row is not None]
    by_question = {name: row for row in found if (name := _identifier(row))}
    if not by_question:
        raise DataError(
            f"{path}: expected annotations with the identifier of their question "
            f"({', '.join(rows.QUESTION_IDS)}), found "
            f"{', '.join(found[0]) if found else 'no annotations'}"
        )
    return by_question


def _identifier(row: Mapping[str, object]) -> str:
    value = row.get(entry.first(row, rows.QUESTION_IDS))
    return str(value) if isinstance(value, str | int) else ""


def _renamed(row: Mapping[str, object], named: Mapping[str, str]) -> dict[str, object]:
    """Return a row whose fields have the names that are known here."""
    renamed = dict(row)
    for known, name in named.items():
        if name in row:
            kind = next(kind for kind in _KINDS if known in kind)
            renamed = {key: v for key, v in renamed.items() if key.lower() not in kind}
            renamed[known] = row[name]
    return renamed


def _columns(given: str) -> dict[str, str]:
    """Return the source's names of fields by those that are known here."""
    named = dict(_pairs(given))
    if unknown := [known for known in named if known not in _KNOWN]:
        raise SettingsError(
            f"--columns: expected KNOWN=NAME with one of {', '.join(_KNOWN)} before it, got "
            f"{', '.join(unknown)}"
        )
    return named


def _pairs(given: str) -> Iterator[tuple[str, str]]:
    for pair in filter(None, (part.strip() for part in given.split(","))):
        known, equals, name = pair.partition("=")
        if not (equals and name.strip()):
            raise SettingsError(
                f"--columns: expected e.g. question=frage,answer=antwort, got {pair}"
            )
        yield known.strip().lower(), name.strip()


def _parser() -> argparse.ArgumentParser:
    parser = CommandLine(prog="python -m client_app.data.vqa.convert", description=__doc__)
    parser.add_argument(
        "--questions", type=Path, required=True, help=f"file, {', '.join(rows.SUFFIXES)}"
    )
    parser.add_argument("--annotations", type=Path, help="file with the answers, as VQAv2 has one")
    parser.add_argument("--images", type=Path, help="folder of the pictures")
    parser.add_argument("--out", type=Path, required=True, help="folder to write, new or empty")
    parser.add_argument(
        "--columns",
        default="",
        metavar="KNOWN=NAME,...",
        help="names that are not known here, e.g. question=frage,answer=antwort,image=foto",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
