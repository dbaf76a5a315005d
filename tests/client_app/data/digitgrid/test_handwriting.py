import sys

import pytest
import torch

from client_app.data.digitgrid import handwriting
from client_app.data.digitgrid.handwriting import Handwriting, Portion
from strategies.common.errors import DataError

FIRST_ROWS = {
    Portion.PRETRAINING: [0, 10, 30, 48],
    Portion.CLIENTS: [20, 49, 79, 140],
    Portion.TEST: [36, 78, 130, 178],
}


@pytest.fixture(scope="module")
def sheet() -> Handwriting:
    return handwriting.load()


def test_every_digit_belongs_to_exactly_one_portion(sheet: Handwriting) -> None:
    rows = {portion: set(sheet.rows(portion).tolist()) for portion in Portion}
    assert [len(rows[portion]) for portion in Portion] == [900, 500, 397]
    assert set.union(*rows.values()) == set(range(1797))


def test_every_portion_has_its_share_of_every_digit(sheet: Handwriting) -> None:
    all_counts = sheet.digits.bincount(minlength=10)
    for portion in Portion:
        counts = sheet.digits[sheet.rows(portion)].bincount(minlength=10)
        expected = all_counts * portion.value / 1797
        assert (counts - expected).abs().max() <= 1.5


def test_every_portion_reaches_through_the_whole_source(sheet: Handwriting) -> None:
    for portion in Portion:
        thirds = (sheet.rows(portion) * 3 // 1797).bincount(minlength=3)
        assert (thirds / portion.value - 1 / 3).abs().max() < 0.03


def test_the_deal_never_changes(sheet: Handwriting) -> None:
    # Checkpoints are pretrained on one portion; these are its first rows, and the others'.
    first = {portion: sheet.rows(portion)[:4].tolist() for portion in Portion}
    assert first == FIRST_ROWS
    assert torch.equal(handwriting.load().rows(Portion.TEST), sheet.rows(Portion.TEST))


def test_digits_are_enlarged_to_their_full_range(sheet: Handwriting) -> None:
    assert sheet.ink.shape == (1797, 16, 16)
    assert sheet.ink.dtype == torch.uint8
    assert int(sheet.ink.min()) == 0
    assert int(sheet.ink.max()) == 255


def test_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(DataError, match="expected scikit-learn"):
        handwriting.load()
