"""Models for rows of numbers: scales of columns do not matter."""

import pytest
import torch

from models import catalogue
from strategies.common.inputs import Columns
from strategies.common.task import Task


@pytest.mark.parametrize(("name", "width"), [("mlp", 128), ("wide_mlp", 512)])
def test_a_columns_scale_does_not_matter(name: str, width: int) -> None:
    model = catalogue.build(name, Task(4, Columns(5), 0), 0, seed=1)
    assert model.feature_dim == width
    rows = torch.randn(32, 5, generator=torch.Generator().manual_seed(0))
    other = rows * torch.tensor([1e3, 1.0, 0.1, 50.0, 7.0]) + torch.tensor([5.0, 0, -3, 100, 1])
    found = model.train()(rows)
    assert found.shape == (32, 4)
    torch.testing.assert_close(model(other), found, rtol=1e-2, atol=1e-2)
