r"""A comparison's tables as LaTeX, which needs ``\usepackage{booktabs}`` and nothing else."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from server_app.compare.text_table import TextTable
from server_app.progress import printable

_WRITTEN: Final = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "*": "{*}",
    "[": "{[}",
    "]": "{]}",
    "±": r"$\pm$",
    "—": "---",
    "…": r"\ldots{}",
}
# Characters of a row's name on one line.
_LONGEST_NAME: Final = 24
# A sign, as against a hyphen.
_NEGATIVE: Final = re.compile(r"(?<!\S)-(?=\d)")


def latex(tables: Sequence[TextTable], caption: str, notes: Sequence[str]) -> str:
    r"""Return a file to ``\input``: one table environment for each table.

    Parameters
    ----------
    tables : Sequence[TextTable]
        What to show.
    caption : str
        What all tables say after their title.
    notes : Sequence[str]
        Sentences, set as comments at the top: a paper tells them in its own words.
    """
    told = [r"% Needs \usepackage{booktabs}."]
    told += [f"% {' '.join(printable(note).split())}" for note in notes]
    return "\n".join([*told, *(_table(table, caption) for table in tables)]) + "\n"


def escaped(text: str) -> str:
    """Return text that LaTeX sets as it is; letters beyond ASCII lose their accents or are "?"."""
    plain = "".join(_character(one) for one in " ".join(printable(text).split()))
    return _NEGATIVE.sub("$-$", plain)


def _character(one: str) -> str:
    if one in _WRITTEN:
        return _WRITTEN[one]
    if one.isascii():
        return one
    plain = unicodedata.normalize("NFKD", one).encode("ascii", "ignore").decode()
    return "".join(_WRITTEN.get(letter, letter) for letter in plain) or "?"


def _table(table: TextTable, caption: str) -> str:
    kinds = "".join("r" if column.numeric else "l" for column in table.columns)
    rows = [
        [
            rf"\textbf{{{escaped(cell)}}}" if (row, column) in table.strong else _cell(cell, column)
            for column, cell in enumerate(cells)
        ]
        for row, cells in enumerate(table.rows)
    ]
    return "\n".join(
        [
            r"\begin{table}",
            r"  \centering\scriptsize\setlength{\tabcolsep}{2pt}",
            rf"  \caption{{{escaped(f'{table.title}: {caption}')}}}",
            rf"  \label{{tab:comparison-{table.title.lower()}}}",
            rf"  \begin{{tabular}}{{@{{}}{kinds}@{{}}}}",
            r"    \toprule",
            f"    {_headings(table)}",
            r"    \midrule",
            *(f"    {' & '.join(cells)} \\\\" for cells in rows),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
        ]
    )


def _cell(cell: str, column: int) -> str:
    """Return a cell; a long name of a row stands on several lines."""
    if column > 0 or len(cell) <= _LONGEST_NAME:
        return escaped(cell)
    name, bracket, settings = cell.partition(" (")
    lines = (
        [name, *_lines(f"({settings}", _LONGEST_NAME)] if bracket else _lines(cell, _LONGEST_NAME)
    )
    return _stacked(lines, "[t]", "l")


def _headings(table: TextTable) -> str:
    """Return headings of which each word has a line of its own: cells are narrower than they."""
    stacked = []
    for column in table.columns:
        side = "r" if column.numeric else "l"
        stacked.append(_stacked(_lines(column.title), "[b]", side))
    return " & ".join(stacked) + r" \\"


def _stacked(lines: Sequence[str], place: str, side: str) -> str:
    told = r" \\ ".join(escaped(line) for line in lines)
    return rf"\begin{{tabular}}{place}{{@{{}}{side}@{{}}}}{told}\end{{tabular}}"


def _lines(title: str, longest: int = 8) -> list[str]:
    """Break a heading into lines as short as its words allow."""
    lines: list[str] = []
    for word in title.split():
        if lines and len(lines[-1]) + 1 + len(word) <= longest:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
