"""What a few seeds tell."""

import sys
from math import isclose, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_app.compare.intervals import paired, spread, student_t

DIFFERENCES = st.lists(st.floats(-1, 1, allow_subnormal=False), min_size=2, max_size=8)


def test_mean_and_sample_deviation():
    found = spread([0.1, 0.2, 0.6])
    assert found.mean == pytest.approx(0.3)
    # Squares of -0.2, -0.1 and 0.3 are 0.14 together; over 3 - 1 seeds.
    assert found.std == pytest.approx(sqrt(0.07))
    assert spread([0.4]).std is None
    assert spread([]) is None


# From the usual table of t at 97.5 %.
@pytest.mark.parametrize(("freedom", "t"), [(1, 12.706), (2, 4.303), (4, 2.776), (29, 2.045)])
def test_students_t(freedom, t):
    assert student_t(freedom) == pytest.approx(t, abs=5e-4)


def test_the_interval_of_three_seeds():
    found = paired([0.00, 0.01, 0.05])
    # Mean 0.02; squares of -0.02, -0.01 and 0.03 are 0.0014, over 2; t is 4.303, over sqrt(3).
    half = 4.303 * sqrt(0.0007) / sqrt(3)
    assert found.mean == pytest.approx(0.02)
    assert found.half_width == pytest.approx(half, rel=1e-4)
    assert found.interval == pytest.approx((0.02 - half, 0.02 + half), abs=1e-5)
    assert found.sign == 0


@pytest.mark.parametrize(("differences", "sign"), [((0.1, 0.11, 0.12), 1), ((-3, -3.1, -3.2), -1)])
def test_an_interval_beside_zero_has_a_sign(differences, sign):
    assert paired(differences).sign == sign


@pytest.mark.parametrize("differences", [[0.3], [0.3, 0.3], [0.1 + 0.2, 0.3, 0.3]])
def test_one_seed_and_equal_differences_have_no_interval(differences):
    found = paired(differences)
    assert found.mean == pytest.approx(0.3)
    assert (found.half_width, found.interval, found.sign) == (None, None, 0)


def test_without_scipy_there_is_no_interval(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    found = paired([0.1, 0.2])
    assert (found.mean, found.half_width) == (pytest.approx(0.15), None)
    assert paired([]) is None


@given(DIFFERENCES, st.floats(-1, 1))
def test_an_interval_moves_with_its_differences_and_widens_with_their_spread(values, shift):
    one, moved = paired(values), paired([value + shift for value in values])
    assert isclose(moved.mean, one.mean + shift, abs_tol=1e-9)
    twice = paired([2 * value for value in values])
    if one.half_width is not None and max(values) - min(values) > 1e-6:
        assert isclose(moved.half_width, one.half_width, rel_tol=1e-5, abs_tol=1e-9)
        assert isclose(twice.half_width, 2 * one.half_width, rel_tol=1e-9)
        assert paired([-value for value in values]).sign == -one.sign
