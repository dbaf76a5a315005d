"""Docstrings, which are written for a terminal, as Markdown."""

import inspect
import re
from collections.abc import Sequence
from typing import Final

_BORDER: Final = re.compile(r"=+(?: +=+)+")
_ROLE: Final = re.compile(r":[a-z]+:`~?([^`]+)`")
_LITERAL: Final = re.compile(r"``([^`]+)``")
_ADDRESS: Final = re.compile(r"(?<![<(\[`\"])https?://[^\s<>`\"]*[^\s<>`\".,;:)]")
_BLOCK: Final = re.compile(r"(^|\S):: *$", re.MULTILINE)
_SECTION: Final = re.compile(r"^(\w[\w ]*)\n-{3,}\n", re.MULTILINE)
_ENTRY: Final = re.compile(r"^(\w+(?:, \w+)*) :")


def markdown(text: str) -> str:
    """Return a docstring's text with tables, roles, literals and addresses as Markdown has them.

    Examples
    --------
    >>> markdown("See :func:`drawn` and ``fd``::")
    'See `drawn` and `fd`:'
    """
    lines: list[str] = []
    rest = text.splitlines()
    while rest:
        length = _table_length(rest)
        lines += _table(rest[:length]) if length else rest[:1]
        rest = rest[length or 1 :]
    spans = _LITERAL.sub(r"`\1`", _ROLE.sub(r"`\1`", "\n".join(lines)))
    linked = _ADDRESS.sub(r"<\g<0>>", spans)
    return _BLOCK.sub(lambda found: f"{found[1]}:" if found[1] else "", linked)


def introduction(kind: type) -> str:
    """Return what a class's docstring says before its sections, as Markdown."""
    return markdown(_SECTION.split(inspect.cleandoc(kind.__doc__ or ""))[0]).strip()


def attributes(kind: type) -> dict[str, str]:
    """Return the meaning of each attribute that a class's own docstring lists, as Markdown.

    Where names are told together, their meaning begins with them, since it follows their order.
    """
    parts = _SECTION.split(inspect.cleandoc(kind.__doc__ or ""))
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    told: dict[str, list[str]] = {}
    meaning: list[str] = []
    for line in sections.get("Attributes", "").splitlines():
        if found := _ENTRY.match(line):
            names = found[1].split(", ")
            meaning = [] if len(names) == 1 else [", ".join(f"``{name}``" for name in names) + ":"]
            told |= dict.fromkeys(names, meaning)
        else:
            meaning.append(line.strip())
    return {name: markdown(" ".join(lines).strip()) for name, lines in told.items()}


def _table_length(lines: Sequence[str]) -> int:
    """Return how many lines the table takes that begins here; 0 for none."""
    if not _BORDER.fullmatch(lines[0].strip()):
        return 0
    borders = (n for n, line in enumerate(lines[1:], 2) if line.strip() == lines[0].strip())
    return next((n for n in borders if n == len(lines) or not lines[n].strip()), 0)


def _table(lines: Sequence[str]) -> list[str]:
    border = lines[0]
    starts = [found.start() for found in re.finditer("=+", border)]
    inner = list(lines[1:-1])
    head = inner.index(border) if border in inner else 0
    rows = _rows(inner[:head], starts) or [[""] * len(starts)]
    return [
        *(_row(cells) for cells in rows),
        _row(["---"] * len(starts)),
        *(_row(cells) for cells in _rows(inner[head + 1 if head else 0 :], starts)),
    ]


def _rows(lines: Sequence[str], starts: Sequence[int]) -> list[list[str]]:
    rows: list[list[str]] = []
    ends = [*starts[1:], None]
    for line in lines:
        cells = [line[start:end].strip() for start, end in zip(starts, ends, strict=True)]
        if cells[0] or not rows:
            rows.append(cells)
        else:  # A cell's second line.
            rows[-1] = [f"{a} {b}".strip() for a, b in zip(rows[-1], cells, strict=True)]
    return rows


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"
