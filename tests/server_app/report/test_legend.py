"""Charts in their frames."""

from server_app.report.legend import Mark, figure
from server_app.report.markup import Html


def test_a_legend_shows_lines_as_the_chart_has_them():
    marks = [
        Mark("<whole>", "var(--a)"),
        Mark("broken", "var(--b)", dashes=(4.0, 2.5)),
        Mark("bar", "var(--c)", "area"),
    ]
    drawn = figure("A & B", Html("<svg/>"), marks, "1 < 2")
    assert drawn.startswith("<figure><h3>A &amp; B</h3><svg/>")
    assert 'class="swatch stroke" style="background:var(--a)"></span><span>&lt;whole&gt;' in drawn
    # Strokes of four and gaps of two and a half widths of two pixels.
    dashes = "repeating-linear-gradient(90deg,var(--b) 0px 8px,transparent 8px 13px)"
    assert f'class="swatch stroke" style="background:{dashes}"' in drawn
    assert 'class="swatch filled" style="background:var(--c)"' in drawn
    assert drawn.endswith("<figcaption>1 &lt; 2</figcaption></figure>")


def test_what_is_empty_is_left_out():
    assert figure("A", Html("<svg/>"), (), "") == "<figure><h3>A</h3><svg/></figure>"
