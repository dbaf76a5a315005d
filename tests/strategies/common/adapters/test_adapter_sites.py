"""Sites are found by structure, in order, with the width and placement of each."""

import pytest
from torch import nn

from strategies.common.adapters.sites import Placement, find_sites
from strategies.common.errors import ModelError
from tests.strategies.common.adapters import tiny_networks
from tests.strategies.common.adapters.tiny_networks import (
    BLOCKS,
    TEXT_WIDTH,
    VISION_BLOCKS,
    VISION_WIDTH,
)

Expected = list[tuple[str, int, Placement]]


def residual(path: str, blocks: int, width: int) -> Expected:
    return [(f"{path}.{index}", width, "residual") for index in range(blocks)]


def post_norm(path: str) -> Expected:
    names = [f"{path}.{index}.output.LayerNorm" for index in range(BLOCKS)]
    return [(name, TEXT_WIDTH, "post-norm") for name in names]


SITES = {
    "vilt": residual("encoder.layer", BLOCKS, TEXT_WIDTH),
    "bert": post_norm("encoder.layer"),
    "vit": residual("layers", VISION_BLOCKS, VISION_WIDTH),
    "clip": [
        *residual("text_model.encoder.layers", BLOCKS, TEXT_WIDTH),
        *residual("vision_model.encoder.layers", VISION_BLOCKS, VISION_WIDTH),
    ],
    "siglip": [
        *residual("text_model.encoder.layers", BLOCKS, TEXT_WIDTH),
        *residual("vision_model.encoder.layers", VISION_BLOCKS, VISION_WIDTH),
    ],
    "blip": [
        *residual("vision_model.encoder.layers", VISION_BLOCKS, TEXT_WIDTH),
        *post_norm("text_encoder.encoder.layer"),
        *post_norm("text_decoder.bert.encoder.layer"),
    ],
}


@pytest.mark.parametrize("name", SITES)
def test_the_sites_of_a_network(name: str) -> None:
    network = tiny_networks.build(name)
    found = find_sites(network)
    assert [(site.name, site.width, site.placement) for site in found] == SITES[name]
    assert all(site.module is network.get_submodule(site.name) for site in found)


def test_names_start_where_the_search_does() -> None:
    network = tiny_networks.build("clip")
    names = [site.name for site in find_sites(network.get_submodule("vision_model"))]
    assert names == [f"encoder.layers.{index}" for index in range(VISION_BLOCKS)]


@pytest.mark.parametrize(
    "network",
    [
        nn.Linear(3, 3),
        nn.ModuleList([nn.Linear(3, 3), nn.LayerNorm(3)]),
        nn.ModuleList([nn.ModuleDict({"attention": nn.Linear(3, 3), "norm": nn.LayerNorm(3)})]),
    ],
)
def test_a_network_without_blocks_is_refused(network: nn.Module) -> None:
    with pytest.raises(ModelError, match=f"adapters on {type(network).__name__}: expected"):
        find_sites(network)


def test_parts_of_blocks_are_not_taken_for_blocks() -> None:
    with pytest.raises(ModelError, match=r"adapters on T5Model: expected .* found none"):
        find_sites(tiny_networks.build("t5"))


def test_a_network_is_refused_rather_than_adapted_in_part() -> None:
    with pytest.raises(ModelError, match=r"encoder\.x_layers\.0: expected .* got widths \[\]"):
        find_sites(tiny_networks.build("lxmert"))


def test_a_block_of_two_widths_is_refused() -> None:
    block = nn.ModuleDict(
        {
            "attention": nn.Linear(4, 4),
            "first": nn.LayerNorm(4),
            "mlp": nn.Linear(4, 6),
            "last": nn.LayerNorm(6),
        }
    )
    with pytest.raises(ModelError, match=r"adapters at 0: .* got widths \[4, 6\]"):
        find_sites(nn.ModuleList([block]))
