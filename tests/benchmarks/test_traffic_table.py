"""The tables of traffic count as the paper does, and measure what they say."""

import math

import numpy as np
import pytest

from benchmarks.compressed_pictures import Loss, recoded, sheet
from benchmarks.dealt_noise import CLIENTS, holdings
from benchmarks.results import markdown
from benchmarks.traffic_counted import PUBLISHED, counted
from benchmarks.traffic_table import OWN, played_methods


@pytest.mark.parametrize("method", PUBLISHED)
def test_the_rule_gives_the_papers_numbers(method: str) -> None:
    found = counted(method, 100, 898)
    if method == "fedkd":
        assert found is None
        return
    assert found is not None
    # The paper rounds, FML's 18.494 upwards.
    assert found == pytest.approx(PUBLISHED[method], abs=0.007)


def test_clients_hold_about_as_many_classes_as_the_papers() -> None:
    """It says 102 of 10 classes, and 898 of 100, for all clients together."""
    for classes, published in ((10, 102), (100, 898)):
        held = holdings(classes)
        assert len(held) == CLIENTS
        assert all(0 < len(one) == len(set(one.tolist())) for one in held)
        assert sum(map(len, held)) == pytest.approx(published, rel=0.05)
        assert set(np.concatenate(held).tolist()) == set(range(classes))


def test_methods_are_those_of_one_message_with_models_of_their_own() -> None:
    found = played_methods()
    assert {"local", "fedktl", "fedl2g"} < set(found)
    assert not {"splitfed", "mocosfl", "feddat", "fedlora"} & set(found)
    assert OWN.keys() <= set(found)


def test_loss_by_hand() -> None:
    one = np.zeros((1, 1, 2, 1), np.uint8)
    assert Loss.between(one, one) == Loss(math.inf, 0.0)
    found = Loss.between(one, one + np.array([[[[1], [3]]]], np.uint8))
    # Squares 1 and 9 have a mean of 5; differences 1 and 3 one of 2.
    assert found.steps == 2.0
    assert found.decibels == pytest.approx(20 * math.log10(255 / math.sqrt(5)))


def test_a_sheet_has_every_picture_in_its_place() -> None:
    pictures = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 4, 3), np.uint8)
    found = sheet(pictures)
    assert found.shape == (4, 12, 3)
    assert found[::2, ::4, 0].tolist() == [[0, 1, 2], [3, 4, 0]]


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_an_even_picture_survives(kind: str) -> None:
    even = np.full((32, 32, 3), 100, np.uint8)
    size, decoded = recoded(even, kind, 90)
    assert 0 < size < even.nbytes
    assert Loss.between(even, decoded).steps < 2


def test_markdown_has_a_line_for_each_row() -> None:
    expected = "| a | b |\n| :--- | ---: |\n| x | 1 |\n"
    assert markdown(["a", "b"], [["x", "1"]]) == expected
