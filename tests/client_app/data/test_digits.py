import sys

import pytest
import torch

from client_app.data import digits
from strategies.common.errors import DataError


def test_the_real_digits() -> None:
    from sklearn.datasets import load_digits

    collection = digits.read()
    assert collection.labels.shape == (1797,)
    assert collection.labels.dtype == torch.int64
    assert collection.class_names == tuple("0123456789")
    rows = torch.tensor([3, 100, 1796])
    reading = collection.read(rows, 0)
    assert reading.inputs.shape == (3, 1, 8, 8)
    assert reading.inputs.dtype == torch.uint8
    assert reading.kept.tolist() == [0, 1, 2]
    # Ink 0..16 becomes 0..255: no ink 0, full ink 255, half ink 128 (127.5 to even).
    ink = torch.from_numpy(load_digits().images[rows.numpy()])
    for value, pixel in ((0, 0), (8, 128), (16, 255)):
        found = reading.inputs[:, 0][ink == value]
        assert len(found) > 0
        assert found.unique().tolist() == [pixel]
    assert collection.read(rows, 32).inputs.shape == (3, 1, 32, 32)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(DataError, match=r"scikit-learn.*simulation extra"):
        digits.read()
