"""Files that a page carries inside itself, as links that need no script."""

import base64
import re
from collections.abc import Sequence
from typing import Final, Protocol

from server_app.progress import printable
from server_app.report.markup import Html, element, text
from server_app.report.style import LIGHT

_ROW: Final = 18
_TOP: Final = 26
_EDGE: Final = 12
# Pages of a thousand clients stay pages that open.
MAX_BYTES: Final = 2_000_000


class Named(Protocol):
    """What a legend says of one line."""

    @property
    def name(self) -> str:
        """What it stands for; not trusted."""

    @property
    def colour(self) -> str:
        """CSS colour."""

    @property
    def dashes(self) -> tuple[float, ...]:
        """As the chart's line has them."""


def link(name: str, kind: str, content: str, shown: str) -> Html:
    """Return a link that saves a file; nothing where it would be too large for a page.

    Parameters
    ----------
    name : str
        The file's name.
    kind : str
        Its media type.
    content : str
        What it holds.
    shown : str
        What the link says.
    """
    data = content.encode()
    if len(data) > MAX_BYTES:
        return text("")
    address = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    return element("a", shown, attributes={"class": "save", "download": name, "href": address})


def svg_link(title: str, chart: Html, legend: Sequence[Named]) -> Html:
    """Return a link that saves a chart with its title and legend; nothing without a chart.

    Parameters
    ----------
    title : str
        Of the figure.
    chart : Html
        As the page has it.
    legend : Sequence[Named]
        Its entries.
    """
    found = re.match(r'<svg viewBox="0 0 (\d+) (\d+)"[^>]*>(.*)</svg>$', chart, re.DOTALL)
    if found is None:
        return text("")
    width, height = int(found[1]), int(found[2])
    drawing = f'<g transform="translate({_EDGE} {_TOP})">{found[3]}</g>'
    words = [_words(_EDGE, 18, title, 14)]
    for index, mark in enumerate(legend):
        words += _entry(mark, _TOP + height + _ROW * (index + 1))
    whole = width + 2 * _EDGE, _TOP + height + _ROW * (len(legend) + 1)
    size = f'width="{whole[0]}" height="{whole[1]}" viewBox="0 0 {whole[0]} {whole[1]}"'
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">'
        f'<rect width="100%" height="100%" fill="#fff"/>{drawing}{"".join(words)}</svg>\n'
    )
    # Programs other than browsers know no CSS variables.
    svg = re.sub(r"var\((--[a-z0-9-]+)\)", lambda match: LIGHT[match[1]], svg)
    name = "-".join(re.findall(r"[a-z0-9]+", title.lower()))[:60] or "chart"
    return link(f"{name}.svg", "image/svg+xml", svg, "SVG")


def _entry(mark: Named, top: int) -> list[str]:
    dashes = " ".join(f"{2 * length:g}" for length in mark.dashes)
    broken = f' stroke-dasharray="{dashes}"' if dashes else ""
    line = f'<path d="M{_EDGE} {top - 4}h28" stroke="{mark.colour}" stroke-width="3"{broken}/>'
    return [line, _words(_EDGE + 36, top, mark.name, 11)]


def _words(left: int, top: int, words: str, size: int) -> str:
    plain = text(printable(words))
    return f'<text x="{left}" y="{top}" font-size="{size}" fill="#1b2130">{plain}</text>'
