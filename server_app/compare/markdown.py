"""A comparison's tables as GitHub's Markdown."""

import re
from collections.abc import Sequence

from server_app.compare.text_table import TextTable
from server_app.progress import printable

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$&!@])")


def markdown(tables: Sequence[TextTable], notes: Sequence[str]) -> str:
    """Return tables, each under its title, and sentences beneath them."""
    parts = [_table(table) for table in tables]
    parts.append("\n".join(f"- {escaped(note)}" for note in notes))
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(printable(text).split()))


def _table(table: TextTable) -> str:
    rows = [
        [
            f"**{escaped(cell)}**" if (row, column) in table.strong else escaped(cell)
            for column, cell in enumerate(cells)
        ]
        for row, cells in enumerate(table.rows)
    ]
    headings = [escaped(column.title) for column in table.columns]
    rules = ["---:" if column.numeric else ":---" for column in table.columns]
    lines = [f"| {' | '.join(cells)} |" for cells in (headings, rules, *rows)]
    return "\n".join([f"**{escaped(table.title)}**", "", *lines])
