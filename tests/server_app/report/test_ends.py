"""Where axes begin and end."""

import pytest

from server_app.report.ends import Ends, from_zero, of_shares, of_values


def test_bytes_and_bars_begin_at_zero() -> None:
    assert from_zero([900.0, 1000.0]).limits == (0.0, pytest.approx(1080.0))
    assert from_zero([]) == from_zero([0.0]) == Ends(None)


@pytest.mark.parametrize(
    ("values", "limits", "told"),
    [
        ([], (0.0, 1.0), ""),
        ([0.1, 0.7], (0.0, 1.0), ""),
        ([0.0, 1.0], (0.0, 1.0), ""),
        # Not above one half, where the axis could be cut: its end is said instead.
        ([0.22, 0.31], (0.0, 0.4), "The axis ends at 0.4, not at 1."),
        ([0.2], (0.0, 0.3), "The axis ends at 0.3, not at 1."),
        ([0.0], (0.0, 0.1), "The axis ends at 0.1, not at 1."),
        ([0.86, 0.97], (0.8, 1.0), "The axis begins at 0.8, not at 0."),
        ([0.91, 0.97], (0.8, 1.0), "The axis begins at 0.8, not at 0."),
        ([0.97], (0.9, 1.0), "The axis begins at 0.9, not at 0."),
        ([1.0], (0.9, 1.0), "The axis begins at 0.9, not at 0."),
    ],
)
def test_shares_run_from_0_to_1_or_it_is_said(
    values: list[float], limits: tuple[float, float], told: str
) -> None:
    ends = of_shares(values)
    assert ends.limits == pytest.approx(limits)
    assert ends.told == told
    assert ends.cut == (limits[0] > 0)


def test_other_values_begin_at_zero_unless_that_leaves_the_chart_empty() -> None:
    assert of_values([1.0, 3.0]) == from_zero([1.0, 3.0])
    # Steady values have no shape that a cut could show.
    assert of_values([5.0, 5.0]) == from_zero([5.0])
    cut = of_values([9.0, 10.0])
    assert cut == Ends((8.85, 10.15), cut=True, told="The axis does not begin at zero.")
    low, high = of_values([-1.0, 1.0]).limits or (0.0, 0.0)
    assert (low, high) == (pytest.approx(-1.16), pytest.approx(1.16))
    assert of_values([-2.0, -1.0]).limits == (pytest.approx(-2.08), 0.0)
    assert of_values([]) == Ends(None)
