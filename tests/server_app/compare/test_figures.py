"""A comparison's charts."""

import re
from xml.etree import ElementTree

import pytest

from server_app.compare.figures import curves_figures, gains_figures
from tests.server_app.run_folders import failed_round, round_of


def _captions(html):
    return re.findall(r"<figcaption>(.*?)</figcaption>", html)


def _labels(html):
    return re.findall(r"<h3>(.*?)</h3>", html)


def test_curves_share_an_axis_that_is_said(runs):
    for seed, level in enumerate((0.5, 0.62)):
        runs.add("local", seed, [round_of(1, (level - 0.1, level)), round_of(2, (level, level))])
    drawn = curves_figures(runs.rows())
    # The worst clients' mean in the first round is 0.46.
    assert "The accuracy axis spans 0.45 to 0.65 in all charts; it does not begin at zero." in drawn
    assert _captions(drawn)[0].endswith("bands reach from the lowest seed to the highest.")
    assert len(_labels(drawn)) == 4


def test_one_seed_has_no_band_and_says_so(runs):
    runs.add("local", 0, (0.0, 0.5))
    drawn = curves_figures(runs.rows())
    assert "The accuracy axis spans 0.00 to 0.50 in all charts." in drawn
    assert _captions(drawn)[0] == "One seed of each row: no band."
    for seed in range(2):
        runs.add("fedktl", seed, (0.1, 0.5))
    assert _captions(curves_figures(runs.rows()))[0].endswith("A row of 1 seed has no band.")


def test_many_rows_have_no_bands(runs):
    for margin in range(7):
        for seed in range(2):
            runs.add("fedktl", seed, (0.5,), settings={"fedktl.margin": margin})
    assert "with more than 6 rows, bands are left out" in curves_figures(runs.rows())


def test_unlike_bytes_need_a_logarithmic_axis(runs):
    runs.add("local", 0, (0.5,))
    assert "Logarithmic" not in curves_figures(runs.rows())
    small = round_of(1, (0.5, 0.5))
    for client in small["nodes"].values():
        client |= {"uplink_bytes": 100, "downlink_bytes": 100}
    runs.add("fd", 0, [small])
    assert "Logarithmic scale." in curves_figures(runs.rows())


def test_nothing_is_drawn_where_nothing_was_measured(runs):
    runs.add("local", 0, [failed_round(1, {0: "gone", 1: "gone"})])
    assert curves_figures(runs.rows()) == ""
    assert gains_figures(runs.rows()) == ""


@pytest.mark.usefixtures("drawn_charts")
def test_curves_are_means_over_seeds_of_rounds_that_all_have(runs):
    runs.add("local", 0, (0.0, 0.2, 0.4))
    runs.add("local", 1, (0.5, 1.0), settings={"rounds": 3})
    svg = re.search(r"<svg.*?</svg>", curves_figures(runs.rows()))[0]
    root = ElementTree.fromstring(svg)
    (line,) = root.findall(".//g[@id='over-round-series-0']/path")
    ys = [float(y) for y in re.findall(r"[ML] \S+ (\S+)", line.get("d"))]
    # Means are 0.25 and 0.6 on an axis from 0 to 1; the third round is one seed's alone.
    assert len(ys) == 2
    (shade,) = [e for e in root.iter("use") if "fill: var(--muted)" in e.get("style", "")]
    band = root.find(f".//path[@id='{shade.get('href')[1:]}']").get("d")
    around = [float(y) + float(shade.get("y")) for y in re.findall(r"[ML] \S+ (\S+)", band)]
    zero, one = max(around), min(around)
    assert [(zero - y) / (zero - one) for y in ys] == pytest.approx([0.25, 0.6], abs=1e-4)


@pytest.mark.usefixtures("drawn_charts")
def test_gains_are_bars_from_the_least_to_the_most(runs):
    runs.add("local", 0, [round_of(1, (0.5, 0.5))])
    runs.add("fedktl", 0, [round_of(1, (0.9, 0.3))])
    drawn = gains_figures(runs.rows())
    assert _labels(drawn) == ["FedKTL"]
    told = "1 gain, 1 lose. From -20.0 (client 1) to +40.0 (client 0) points."
    assert _captions(drawn) == [told]
    root = ElementTree.fromstring(re.search(r"<svg.*?</svg>", drawn)[0])
    bars = {}
    for colour in ("good", "bad"):
        (path,) = [e for e in root.iter("path") if f"fill: var(--{colour})" in e.get("style", "")]
        corners = [float(v) for v in re.findall(r"-?\d+\.?\d*", path.get("d"))]
        bars[colour] = (corners[0], corners[1] - corners[5])
    # The loss stands left of the gain, and is half as long the other way.
    assert bars["bad"][0] < bars["good"][0]
    assert bars["good"][1] == pytest.approx(-2 * bars["bad"][1], rel=1e-3)
    assert [e.text for e in root.iter("text")][:2] == ["1", "0"]


@pytest.mark.usefixtures("drawn_charts")
def test_gains_of_nothing_are_drawn_on_an_axis_of_some_height(runs):
    """matplotlib warns of an axis whose ends are one, and warnings are errors here."""
    runs.add("local", 0, (0.5,))
    runs.add("fd", 0, (0.5,))
    assert "<svg" in gains_figures(runs.rows())
