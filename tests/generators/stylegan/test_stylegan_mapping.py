"""The mapping network: noise, classes and truncation."""

import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from generators.stylegan.mapping import Mapping, MappingConfig
from strategies.common.errors import GeneratorError


def _config(**changes: Any) -> MappingConfig:
    plain = {"z_dim": 2, "c_dim": 0, "w_dim": 2, "num_ws": 3, "widths": (2,)}
    return MappingConfig(**{**plain, **changes})


def _by_class(**changes: Any) -> MappingConfig:
    return _config(c_dim=2, labels="linear", label_dim=2, **changes)


def test_noise_is_normalised_and_copied_to_all_layers() -> None:
    mapping = Mapping(_config())
    mapping.layers[0].load_state_dict({"weight": 100 * torch.eye(2), "bias": torch.zeros(2)})
    found = mapping(torch.tensor([[3.0, -4.0]]))
    # (3, -4) has a mean square of 12.5; weights become 1 / sqrt(2); slope 0.2, gain sqrt(2).
    expected = [3 / math.sqrt(12.5), -0.2 * 4 / math.sqrt(12.5)]
    assert found.shape == (1, 3, 2)
    for copy in found[0]:
        assert copy.tolist() == pytest.approx(expected, rel=1e-5)


def test_truncation_moves_latents_towards_their_mean() -> None:
    mapping = Mapping(_config())
    mapping.w_avg.copy_(torch.tensor([1.0, -1.0]))
    z = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    full, half = mapping(z), mapping(z, truncation_psi=0.5)
    torch.testing.assert_close(half, mapping.w_avg + 0.5 * (full - mapping.w_avg))
    none = mapping(z, truncation_psi=0.0)
    torch.testing.assert_close(none, mapping.w_avg.expand(4, 3, 2))


def test_truncation_goes_towards_the_mean_of_the_class() -> None:
    mapping = Mapping(_by_class(average_per_class=True))
    mapping.w_avg.copy_(torch.tensor([[1.0, 1.0], [5.0, 5.0]]))
    found = mapping(torch.ones(2, 2), torch.eye(2), truncation_psi=0.0)
    assert found[:, 0].tolist() == [[1.0, 1.0], [5.0, 5.0]]


def test_a_class_changes_the_latent() -> None:
    for config in (_by_class(), _config(c_dim=2, labels="table", label_dim=3, table_dim=4)):
        mapping = Mapping(config)
        if mapping.table is not None:
            mapping.table.normal_(generator=torch.Generator().manual_seed(0))
        found = mapping(torch.ones(2, 2), torch.eye(2))
        assert not torch.allclose(found[0], found[1])


def test_a_table_row_is_chosen_by_the_class() -> None:
    mapping = Mapping(_config(c_dim=3, labels="table", label_dim=3, table_dim=4))
    assert mapping.table is not None
    mapping.table[2] = 1.0
    first, second, third = mapping(torch.ones(3, 2), torch.eye(3))
    torch.testing.assert_close(first, second)
    assert not torch.allclose(first, third)


@pytest.mark.parametrize(
    ("z", "c", "told"),
    [
        (torch.ones(2, 3), torch.eye(2), r"expected z \(batch, 2\), got \(2, 3\)"),
        (torch.ones(2, 2), None, r"expected one-hot classes c \(2, 2\), got None"),
        (torch.ones(2, 2), torch.eye(3), r"expected one-hot classes c \(2, 2\), got \(3, 3\)"),
    ],
)
def test_other_shapes_are_refused(z: torch.Tensor, c: torch.Tensor | None, told: str) -> None:
    with pytest.raises(GeneratorError, match=told):
        Mapping(_by_class())(z, c)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"widths": (3,)}, "as wide as w"),
        ({"labels": "linear"}, "label_dim above 0"),
        ({"labels": "linear", "label_dim": 2}, "c_dim above 0"),
        ({"table_dim": 2}, "table_dim above 0 exactly"),
        ({"z_dim": 0}, "greater than or equal to 1"),
        ({"num_ws": 10**9}, "less than or equal to 256"),
    ],
)
def test_geometry_that_disagrees_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        _config(**changes)
