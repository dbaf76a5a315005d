"""Entropy reduction: the numbers of the paper's rule, what always holds, and what only seems to."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from strategies.common.entropy import entropy, powered, sharpened

TEMPERATURES = st.floats(0.02, 3.0)


def row(*head: float, rest: float = 0.0, classes: int = 10) -> Tensor:
    return torch.tensor([*head, *[rest] * (classes - len(head))], dtype=torch.float64)


@st.composite
def distributions(draw: st.DrawFn) -> Tensor:
    weights = draw(st.lists(st.floats(1e-3, 1.0), min_size=2, max_size=12))
    return torch.tensor(weights, dtype=torch.float64) / sum(weights)


@pytest.mark.parametrize(
    ("probabilities", "before", "temperature", "after"),
    [
        (row(0.6, 0.4), 0.67301, 0.1, 0.48156),
        (row(0.28, rest=0.08), 2.17496, 0.05, 0.71864),
        (row(0.28, rest=0.08), 2.17496, 0.1, 1.89491),
        (row(0.28, rest=0.08), 2.17496, 0.2, 2.22918),
        (row(0.28, rest=0.08), 2.17496, 1.0, 2.30058),
        (row(0.4, 0.35, 0.05, 0.05, 0.05, rest=0.02), 1.57452, 0.1, 1.17065),
        # Sharpening raises the entropy of five classes that are alike.
        (row(0.2, 0.2, 0.2, 0.2, 0.2), 1.60944, 0.1, 1.97477),
        (row(1.0), 0.0, 0.1, 0.00449),
    ],
)
def test_entropies_are_those_worked_out_by_hand(
    probabilities: Tensor, before: float, temperature: float, after: float
) -> None:
    """Checks 16: the table of fixtures."""
    assert float(entropy(probabilities)) == pytest.approx(before, abs=1e-4)
    assert float(entropy(sharpened(probabilities, temperature))) == pytest.approx(after, abs=1e-4)


def test_outputs_are_those_worked_out_by_hand() -> None:
    """Checks 16."""
    two = sharpened(row(0.6, 0.4), 0.1)
    torch.testing.assert_close(two, row(0.86568, 0.11716, rest=0.00215), atol=1e-4, rtol=0)
    three = sharpened(row(0.4, 0.35, 0.05, 0.05, 0.05, rest=0.02), 0.1)
    expected = row(0.55280, 0.33529, 0.01669, 0.01669, 0.01669, rest=0.01237)
    torch.testing.assert_close(three, expected, atol=1e-4, rtol=0)
    for temperature, peak in ((0.1, 0.99959), (1.0, 0.23197)):
        assert float(sharpened(row(1.0), temperature)[0]) == pytest.approx(peak, abs=1e-4)


@given(distributions(), TEMPERATURES, TEMPERATURES)
def test_order_is_kept_and_entropy_grows_with_temperature(
    probabilities: Tensor, one: float, other: float
) -> None:
    """Checks 17."""
    low, high = sorted((one, other))
    cold, warm = sharpened(probabilities, low), sharpened(probabilities, high)
    assert float(cold.sum()) == pytest.approx(1.0)
    assert bool((cold >= 0).all())
    assert bool((cold[probabilities.argsort()].diff() >= -1e-12).all())
    assert float(entropy(cold)) <= float(entropy(warm)) + 1e-9
    shifted = sharpened(probabilities + 0.3, low)
    torch.testing.assert_close(shifted, cold)


def test_the_ends_are_one_hot_and_even() -> None:
    """Checks 17."""
    even = torch.full((7,), 1 / 7, dtype=torch.float64)
    torch.testing.assert_close(sharpened(even, 0.1), even)
    torch.testing.assert_close(sharpened(row(0.4, 0.3, 0.3), 1e-4), row(1.0), atol=1e-12, rtol=0)
    tied = sharpened(row(0.4, 0.4, 0.2), 1e-4)
    torch.testing.assert_close(tied, row(0.5, 0.5), atol=1e-12, rtol=0)
    torch.testing.assert_close(sharpened(row(1.0), 1e9), torch.full_like(even, 0.1)[0].expand(10))


@given(distributions(), TEMPERATURES)
def test_entropy_falls_where_all_pairs_lie_farther_apart_than_the_temperature(
    probabilities: Tensor, temperature: float
) -> None:
    """Checks 18: the logarithmic mean of each pair decides, and nothing is said of mixed rows."""
    values = sorted(set(probabilities.tolist()))
    pairs = [(p, q) for p in values for q in values if p > q * (1 + 1e-9)]
    means = [(p - q) / math.log(p / q) for p, q in pairs]
    change = float(entropy(sharpened(probabilities, temperature)) - entropy(probabilities))
    if all(mean >= temperature for mean in means):
        assert change <= 1e-9
    if all(mean <= temperature for mean in means):
        assert change >= -1e-9


@given(distributions())
def test_a_temperature_of_one_is_flatter_than_the_mean_and_a_power_of_one_is_it(
    probabilities: Tensor,
) -> None:
    """Checks 19 and 20."""
    flat = sharpened(probabilities, 1.0)
    torch.testing.assert_close(flat, probabilities.softmax(-1))
    assert float(entropy(flat)) >= float(entropy(probabilities)) - 1e-9
    torch.testing.assert_close(powered(probabilities, 1.0), probabilities)
    # In the space of logarithms the same temperature is a power.
    torch.testing.assert_close((probabilities.log() / 0.5).softmax(-1), powered(probabilities, 2.0))


def test_powers_that_no_float_holds_are_those_beside_the_largest() -> None:
    near_even = torch.tensor([[0.11, 0.1, 0.79 / 8] + [0.79 / 8] * 7])
    exact = near_even.double() ** 60
    exact = exact / exact.sum(-1, keepdim=True)
    torch.testing.assert_close(powered(near_even, 60.0), exact.float())
    assert powered(torch.tensor([[0.5, 0.5]]), 1e6).tolist() == [[0.5, 0.5]]
    assert powered(torch.tensor([[0.25, 0.75]]), 1e6).tolist() == [[0.0, 1.0]]


@given(distributions(), st.floats(1.01, 8.0))
def test_a_power_above_one_always_lowers_entropy(probabilities: Tensor, power: float) -> None:
    """Checks 20."""
    assert float(entropy(powered(probabilities, power))) <= float(entropy(probabilities)) + 1e-9


@pytest.mark.parametrize(
    ("share", "mean_even", "era_even", "mean_wrong", "era_wrong"),
    [
        (0.1, 0.829, 0.997, (0.819, 0.109), (0.9968, 0.0008)),
        (0.2, 0.748, 0.993, (0.728, 0.208), (0.989, 0.0055)),
        (0.3, 0.667, 0.984, (0.637, 0.307), (0.951, 0.035)),
        (0.4, 0.586, 0.961, (0.546, 0.406), (0.780, 0.192)),
    ],
)
def test_what_attackers_do_to_the_mean_and_to_what_becomes_of_it(
    share: float,
    mean_even: float,
    era_even: float,
    mean_wrong: tuple[float, float],
    era_wrong: tuple[float, float],
) -> None:
    """Checks 26: attackers that say nothing, and attackers that agree on one wrong class."""
    honest, even = row(0.91, rest=0.01), row(0.1, rest=0.1)
    mean = (1 - share) * honest + share * even
    assert float(mean[0]) == pytest.approx(mean_even, abs=2e-3)
    assert float(sharpened(mean, 0.1)[0]) == pytest.approx(era_even, abs=2e-3)
    wrong = torch.zeros(10, dtype=torch.float64)
    wrong[1] = 1.0
    mean = (1 - share) * honest + share * wrong
    assert mean[:2].tolist() == pytest.approx(list(mean_wrong), abs=2e-3)
    assert sharpened(mean, 0.1)[:2].tolist() == pytest.approx(list(era_wrong), abs=2e-3)
