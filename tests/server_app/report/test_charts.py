"""Charts as inline SVG."""

import re
from xml.etree import ElementTree

import pytest

from server_app.report.charts import line_chart, signed_bars, stacked_bars
from server_app.report.frame import Axis, Frame, Series, series_colour

pytestmark = pytest.mark.usefixtures("drawn_charts")

POINTS = [(1, 10.0), (2, 1000.0), (3, 20.0)]


def test_a_chart_is_well_formed_and_takes_its_colours_from_the_page():
    chart = line_chart(Frame("a", 'A "chart"'), [Series("<one>", POINTS, "var(--accent)")])
    root = ElementTree.fromstring(chart)
    assert root.get("aria-label") == 'A "chart"'
    assert "stroke: var(--accent)" in chart
    assert "#0102" not in chart
    assert root.find(".//g[@id='a-series-0']/title").text == "<one>"


def test_ids_of_two_charts_never_meet_and_every_reference_has_its_target():
    charts = [
        line_chart(Frame(name, name), [Series("one", POINTS, series_colour(0))])
        for name in ("a", "b")
    ]
    ids = []
    for chart in charts:
        own = [e.get("id") for e in ElementTree.fromstring(chart).iter() if e.get("id")]
        ids += own
        used = {e.get("href", "").lstrip("#") for e in ElementTree.fromstring(chart).iter()} - {""}
        assert used
        assert used <= set(own)
    assert len(ids) == len(set(ids))


def test_a_chart_is_the_same_every_time_whatever_the_users_settings():
    import matplotlib as mpl

    frame, series = Frame("a", "a"), [Series("one", POINTS, "var(--text)")]
    first = line_chart(frame, series)
    with mpl.rc_context({"font.size": 30, "lines.linewidth": 9, "axes.facecolor": "red"}):
        assert line_chart(frame, series) == first
        assert mpl.rcParams["font.size"] == 30


def test_bars_stand_on_each_other():
    low = Series("low", [(1, 1.0), (2, 2.0)], "var(--a)")
    high = Series("high", [(1, 3.0)], "var(--b)")
    root = ElementTree.fromstring(stacked_bars(Frame("a", "a"), [low, high]))

    def bars(colour):
        styled = [e for e in root.iter("path") if f"fill: {colour}" in e.get("style", "")]
        # A bar's path is "M left bottom L right bottom L right top …"; y grows downwards.
        steps = [e.get("d").split() for e in styled]
        return [(float(d[2]), float(d[8])) for d in steps]

    (first, second), (above,) = bars("var(--a)"), bars("var(--b)")
    assert above[0] == first[1]
    assert above[0] - above[1] == pytest.approx(3 * (first[0] - first[1]), rel=1e-4)
    assert second[0] - second[1] == pytest.approx(2 * (first[0] - first[1]), rel=1e-4)


def test_empty_single_and_logarithmic_charts_can_be_drawn():
    for points in ([], [(1, 0.5)]):
        assert "<svg" in line_chart(Frame("a", "a"), [Series("one", points, "red")])
        assert "<svg" in stacked_bars(Frame("a", "a"), [Series("one", points, "red")])
    frame = Frame("a", "a", unit=lambda value: f"{value:.0f} B", logarithmic=True)
    assert "1000 B" in line_chart(frame, [Series("one", POINTS, "red")])


def test_a_chart_runs_over_what_it_is_told_between_the_ends_it_is_told():
    over = Axis("bytes", unit=lambda value: f"{value:.0f} B", logarithmic=True)
    frame = Frame("a", "a", over=over, limits=(0.0, 4000.0))
    chart = line_chart(frame, [Series("one", [(1, 10.0), (1000, 20.0)], "red")])
    words = [e.text for e in ElementTree.fromstring(chart).iter("text")]
    assert {"bytes", "10 B", "1000 B", "4000"} <= set(words)


def test_words_beside_the_axes_stay_within_the_chart():
    frame = Frame("a", "a", unit=lambda value: f"{value:.0f} bytes in all", over=Axis("bytes"))
    points = [(0, 0.0), (1e6, 2e6)]
    root = ElementTree.fromstring(line_chart(frame, [Series("one", points, "red")]))
    width = frame.size[0]
    words = [e for e in root.iter("text") if e.text]
    assert len(words) > 6
    for word in words:
        style = word.get("style", "")
        place = re.search(r"translate\(([-\d.]+)", word.get("transform", ""))
        left = float(word.get("x") or place[1])
        # Characters are about six wide; a word ends, begins or is centred at its place.
        long = 6 * len(word.text)
        low = left - (long if "end" in style else long / 2 if "middle" in style else 0)
        assert -1 <= low <= low + long <= width + 1, word.text


def test_an_axis_that_is_cut_is_marked_at_its_foot():
    series = [Series("one", [(1, 9.0), (2, 10.0)], "red")]
    plain = line_chart(Frame("a", "a", limits=(8.0, 10.0)), series)
    cut = line_chart(Frame("a", "a", limits=(8.0, 10.0), cut=True), series)
    # The two points of the line, and two strokes.
    assert [chart.count("<use ") for chart in (plain, cut)] == [2, 4]


def test_numbers_have_no_common_factor_apart():
    chart = line_chart(Frame("a", "a"), [Series("one", [(1, 1e-8), (2, 3e-8)], "red")])
    words = {e.text for e in ElementTree.fromstring(chart).iter("text")}
    assert {"1e-08", "2e-08", "3e-08"} <= words


def test_many_bars_have_no_number_beneath_them():
    for count in (20, 21):
        values = [(str(number + 900), float(number - 3)) for number in range(count)]
        chart = signed_bars(Frame("a", "a", over=Axis("client")), values)
        words = {e.text for e in ElementTree.fromstring(chart).iter("text")}
        assert ("900" in words) is (count == 20)
        assert chart.count("fill: var(--bad)") == 4
        assert chart.count("fill: var(--good)") == count - 4
