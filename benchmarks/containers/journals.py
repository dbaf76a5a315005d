"""Journals of runs that were played twice: who answered, and what differs between the two."""

import json
from typing import Any, Final

from benchmarks.equal_journals import BYTES, MEASURED, without

Line = dict[str, Any]
# What two runs of equal numbers may differ in.
_APART: Final = (*MEASURED, *BYTES)
_LOST: Final = "was lost on the way; sent again"
_ABSENT: Final = "nothing"


def complete_lines(text: str) -> list[Line]:
    """Return the lines of a journal that is being written; the last may be half there."""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def accuracies(line: Line) -> dict[str, float]:
    """Return the accuracy of each client whose reply counts."""
    nodes = line["nodes"].items()
    return {client: entry["accuracy"] for client, entry in nodes if "failure" not in entry}


def failures(journal: list[Line]) -> list[str]:
    """Return who failed in which round, and why."""
    return [
        f"round {line['round']}, client {client}: {entry['failure']}"
        for line in journal
        for client, entry in sorted(line["nodes"].items())
        if "failure" in entry
    ]


def sent_again(journal: list[Line]) -> list[str]:
    """Return what a journal notes of messages that were lost on the way, which changes nothing."""
    return [f"round {line['round']}: {note}" for line in journal for note in _lost(line)]


def difference(expected: list[Line], got: list[Line]) -> str | None:
    """Return the first place in which journals differ.

    Seconds, figures, bytes and notes of what was sent again do not count.
    """
    told = (
        [{**line, "notes": [n for n in line["notes"] if n not in _lost(line)]} for line in journal]
        for journal in (expected, got)
    )
    return _difference("", *(without(journal, _APART) for journal in told))


def _lost(line: Line) -> list[str]:
    return [note for note in line["notes"] if _LOST in note]


def _difference(place: str, expected: Any, got: Any) -> str | None:
    if expected == got:
        return None
    if isinstance(expected, list) and isinstance(got, list):
        expected, got = (dict(enumerate(entries, 1)) for entries in (expected, got))
    if not isinstance(expected, dict) or not isinstance(got, dict):
        return f"{place}: expected {expected!r}, got {got!r}"
    for key in {**expected, **got}:
        inner = f"{place}, {key}" if place else f"line {key}"
        told = (entries.get(key, _ABSENT) for entries in (expected, got))
        if found := _difference(inner, *told):
            return found
    return None
