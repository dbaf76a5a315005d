"""A chart in its frame, with a title above and a legend and a note beneath."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, final

from server_app.report.download import svg_link
from server_app.report.markup import Html, element, join

# Width of a line in the legend.
STROKE_PX: Final = 2


@final
@dataclass(frozen=True)
class Mark:
    """An entry of a legend.

    Attributes
    ----------
    name : str
        What it stands for; escaped.
    colour : str
        CSS colour.
    shape : Literal["line", "area"]
        What the chart draws.
    dashes : tuple[float, ...]
        As the chart's line has them.
    """

    name: str
    colour: str
    shape: Literal["line", "area"] = "line"
    dashes: tuple[float, ...] = ()


def figure(title: str, chart: Html, legend: Sequence[Mark], note: str) -> Html:
    """Return a figure, with a link that saves its chart; empty parts are left out."""
    parts = [element("h3", title), chart, svg_link(title, chart, legend)]
    if legend:
        marks = (element("li", _swatch(mark), element("span", mark.name)) for mark in legend)
        parts.append(element("ul", *marks, attributes={"class": "legend"}))
    if note:
        parts.append(element("figcaption", note))
    return element("figure", join(*parts))


def _swatch(mark: Mark) -> Html:
    """Return a sample of what the chart draws, as a span: a picture would want a label."""
    kind = "filled" if mark.shape == "area" else "stroke"
    look = f"background:{_paint(mark) if mark.shape == 'line' else mark.colour}"
    return element("span", attributes={"class": f"swatch {kind}", "style": look})


def _paint(mark: Mark) -> str:
    if not mark.dashes:
        return mark.colour
    stops, place = [], 0.0
    for index, length in enumerate(mark.dashes):
        colour = "transparent" if index % 2 else mark.colour
        stops.append(f"{colour} {place:g}px {place + length * STROKE_PX:g}px")
        place += length * STROKE_PX
    return f"repeating-linear-gradient(90deg,{','.join(stops)})"
