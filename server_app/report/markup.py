"""HTML that is escaped unless it says that it is markup already.

Names, notes and failures come from devices, so nothing reaches the page as plain text by
another way than through these functions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final, final

NO_ATTRIBUTES: Final[Mapping[str, str]] = {}


@final
class Html(str):
    """Text that is markup and is not escaped again."""

    __slots__ = ()


@final
@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    title : str
        Its heading.
    numeric : bool
        Whether its cells are numbers, set flush right.
    """

    title: str
    numeric: bool = True


def text(content: str) -> Html:
    """Return text as markup, escaped unless it is markup already."""
    return content if isinstance(content, Html) else Html(escape(content, quote=True))


def join(*parts: str) -> Html:
    """Return parts one after another, each escaped unless it is markup already."""
    return Html("".join(text(part) for part in parts))


def element(tag: str, *children: str, attributes: Mapping[str, str] = NO_ATTRIBUTES) -> Html:
    """Return an element.

    Parameters
    ----------
    tag : str
        Its name.
    *children : str
        Its content; plain text is escaped.
    attributes : Mapping[str, str]
        Attributes by name; values are escaped.
    """
    return Html(f"{void(tag, attributes)}{join(*children)}</{tag}>")


def void(tag: str, attributes: Mapping[str, str]) -> Html:
    """Return an element that has no content, or the opening of one that has."""
    written = "".join(f' {name}="{text(value)}"' for name, value in attributes.items())
    return Html(f"<{tag}{written}>")


def block(name: str, *children: str) -> Html:
    """Return a ``div`` of a class."""
    return element("div", *children, attributes={"class": name})


def section(title: str, *children: str) -> Html:
    """Return a section under a heading."""
    return element("section", element("h2", title), *children)


def bullets(items: Sequence[str]) -> Html:
    """Return a list."""
    return element("ul", *(element("li", item) for item in items))


def details(summary: str, *children: str, is_open: bool = False) -> Html:
    """Return a part that the reader opens."""
    attributes = {"open": ""} if is_open else NO_ATTRIBUTES
    return element("details", element("summary", summary), *children, attributes=attributes)


def table(
    name: str,
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    foot: Sequence[str] | None = None,
) -> Html:
    """Return a table in a box of its own that scrolls sideways on a narrow screen.

    Parameters
    ----------
    name : str
        What the table shows, for those who do not see it.
    columns : Sequence[Column]
        Headings, left to right.
    rows : Sequence[Sequence[str]]
        Cells; the first of each row names the row.
    foot : Sequence[str] | None
        Cells of a closing row.
    """
    headings = (
        element("th", column.title, attributes={"scope": "col", **_alignment(column)})
        for column in columns
    )
    parts = [
        element("thead", element("tr", *headings)),
        element("tbody", *(_row(columns, cells) for cells in rows)),
    ]
    if foot is not None:
        parts.append(element("tfoot", _row(columns, foot)))
    body = element("table", *parts, attributes={"aria-label": name})
    # A box that scrolls must be reachable with the keyboard.
    box = {"class": "scroll", "tabindex": "0", "role": "region", "aria-label": name}
    return element("div", body, attributes=box)


def _row(columns: Sequence[Column], cells: Sequence[str]) -> Html:
    written = [
        element(
            "td" if index else "th",
            cell,
            attributes=_alignment(column) if index else {"scope": "row", **_alignment(column)},
        )
        for index, (column, cell) in enumerate(zip(columns, cells, strict=True))
    ]
    return element("tr", *written)


def _alignment(column: Column) -> Mapping[str, str]:
    return {"class": "number"} if column.numeric else NO_ATTRIBUTES
