"""The rounds of a journal as they stand in its file, with damage named."""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import final

from server_app.journal import RoundLine, read_round
from strategies.common.errors import RunFolderError


@final
@dataclass(frozen=True)
class Row:
    """A complete round.

    Attributes
    ----------
    line : RoundLine
        What it tells.
    text : str
        As it stands in the file, without its end.
    """

    line: RoundLine
    text: str


def read_rows(journal: Path, content: bytes) -> list[Row]:
    """Read every complete round.

    Parameters
    ----------
    journal : Path
        The file, for messages.
    content : bytes
        What is in it.

    Raises
    ------
    RunFolderError
        If a line is damaged, but for a last one that a power cut left without its end; or if one
        is missing or there twice.
    """
    *whole, rest = content.split(b"\n")
    rows = [_row(journal, number, text) for number, text in enumerate(whole, start=1)]
    # A power cut in the middle of a line: the round was not completed.
    with suppress(ValueError):
        json.loads(rest)
        rows.append(_row(journal, len(whole) + 1, rest))
    for expected, row in enumerate(rows, start=1):
        if row.line.round_number != expected:
            raise RunFolderError(
                f"{journal} line {expected}: expected round {expected}, got "
                f"{row.line.round_number}; nothing was changed. Put the file back from a copy, or "
                f"choose another run-name to begin again"
            )
    return rows


def _row(journal: Path, number: int, text: bytes) -> Row:
    where = f"{journal} line {number}"
    try:
        value = json.loads(text)
    except ValueError as error:
        raise RunFolderError(
            f"{where}: expected a round as JSON, got {error}; nothing was changed. Put the "
            f"file back from a copy or mend that line by hand, then resume; or choose another "
            f"run-name to begin again"
        ) from None
    return Row(read_round(value, where), text.decode())
