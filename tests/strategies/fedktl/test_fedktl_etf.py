"""Class directions."""

import pytest
import torch

from strategies.common.errors import ModelError
from strategies.fedktl.etf import simplex_etf


# The fewest; odd and even; what data sets have; the most that the paper plays.
@pytest.mark.parametrize("num_classes", [2, 3, 4, 7, 10, 50, 99, 100])
def test_gram_matrix_is_that_of_a_simplex(num_classes: int) -> None:
    directions = simplex_etf(num_classes, seed=3).double()

    gram = directions @ directions.T

    expected = torch.full((num_classes, num_classes), -1 / (num_classes - 1), dtype=torch.float64)
    expected.fill_diagonal_(1)
    assert directions.shape == (num_classes, num_classes)
    assert (gram - expected).abs().max() < 1e-6


def test_two_classes_point_in_opposite_directions() -> None:
    first, second = simplex_etf(2, seed=0)

    torch.testing.assert_close(first, -second)


def test_both_halves_derive_the_same_directions_from_the_seed() -> None:
    assert torch.equal(simplex_etf(10, seed=5), simplex_etf(10, seed=5))
    assert not torch.allclose(simplex_etf(10, seed=5), simplex_etf(10, seed=6))


def test_directions_do_not_depend_on_the_sign_convention_of_the_library(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = simplex_etf(6, seed=1)
    qr = torch.linalg.qr
    flip = torch.tensor([1, -1, -1, 1, -1, 1], dtype=torch.float64)

    def other_library(matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        orthogonal, triangular = qr(matrix)
        return orthogonal * flip, triangular * flip[:, None]

    monkeypatch.setattr(torch.linalg, "qr", other_library)

    torch.testing.assert_close(simplex_etf(6, seed=1), expected)


@pytest.mark.parametrize("num_classes", [0, 1])
def test_less_than_two_classes_are_refused(num_classes: int) -> None:
    with pytest.raises(ModelError, match=f"at least 2 classes, got {num_classes}"):
        simplex_etf(num_classes, seed=0)


def test_broken_linear_algebra_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.linalg, "qr", lambda matrix: (matrix, matrix))

    with pytest.raises(ModelError, match="QR decomposition"):
        simplex_etf(4, seed=0)
