"""Published synthesis networks of StyleGAN3 and StyleGAN-XL, read back from tiny pickles."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from generators.stylegan.records import Record
from generators.stylegan.stylegan3 import StyleGAN3Synthesis
from generators.stylegan.stylegan3_design import StyleGAN3Design, random_stylegan3
from generators.stylegan.stylegan3_record import describe_stylegan3
from generators.stylegan.unpickling import read
from strategies.common.errors import GeneratorError
from tests.generators.stylegan.published import Published, publish
from tests.generators.stylegan.published_stylegan3 import published_stylegan3

Family = Literal["t", "r", "xl"]


def network(family: Family) -> StyleGAN3Synthesis:
    head = (32, 3) if family == "xl" else None
    design = StyleGAN3Design(16, family == "r", 128, 4, w_dim=5, num_layers=4, head=head)
    return random_stylegan3(design, seed=0)


def tree(family: Family = "t") -> Published:
    built = network(family)
    return published_stylegan3(built.config, built.state_dict(), family)


def stored(synthesis: Published, folder: Path) -> Record:
    mapping = Published("MappingNetwork", {"z_dim": 5, "c_dim": 0, "w_dim": 5, "num_ws": 6})
    modules: dict[str, object] = {"mapping": mapping, "synthesis": synthesis}
    path = folder / "network.pkl"
    path.write_bytes(publish(Published("Generator", {"z_dim": 5}, modules=modules)))
    return read(path).child("synthesis")


@pytest.mark.parametrize("family", ["t", "r", "xl"])
def test_a_published_network_comes_back(family: Family, tmp_path: Path) -> None:
    built = network(family)
    config, tensors = describe_stylegan3(stored(tree(family), tmp_path))
    assert config == built.config
    again = StyleGAN3Synthesis(config)
    again.load_state_dict(tensors, strict=True)
    ws = torch.randn(2, built.num_ws, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(again(ws), built(ws))


def test_layers_come_in_the_order_of_their_names_list(tmp_path: Path) -> None:
    synthesis = tree()
    synthesis.modules = dict(reversed(synthesis.modules.items()))
    config, _ = describe_stylegan3(stored(synthesis, tmp_path))
    assert config == network("t").config


def first_layer(synthesis: Published) -> Published:
    layer = synthesis.modules[synthesis.attributes["layer_names"][0]]  # type: ignore[index]
    assert isinstance(layer, Published)
    return layer


def attribute(name: str, value: object) -> Callable[[Published], None]:
    return lambda synthesis: first_layer(synthesis).attributes.__setitem__(name, value)


def of_network(name: str, value: object) -> Callable[[Published], None]:
    return lambda synthesis: synthesis.attributes.__setitem__(name, value)


def buffer(name: str, value: object) -> Callable[[Published], None]:
    return lambda synthesis: first_layer(synthesis).buffers.__setitem__(name, value)


def parameter(name: str, value: object) -> Callable[[Published], None]:
    return lambda synthesis: first_layer(synthesis).parameters.__setitem__(name, value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (of_network("layer_names", None), "synthesis: expected a list of layers in layer_names"),
        (of_network("layer_names", ["L7"]), "expected a module 'L7'"),
        (attribute("in_size", np.array([36, 52])), r"L0_36_4: expected in_size of square maps"),
        (attribute("padding", [9, 8, 8, 9]), "expected padding of four numbers, the same along"),
        (attribute("padding", [9, 8]), "expected padding of four numbers"),
        (attribute("padding", [9.5, 8, 9.5, 8]), "expected whole numbers in padding"),
        (attribute("out_size", "36"), "expected whole numbers in out_size, got '36'"),
        (attribute("out_size", float("nan")), "expected whole numbers in out_size"),
        (attribute("is_torgb", True), "no filters in a layer that gives colours"),
        (buffer("up_filter", None), "expected a tensor 'up_filter'"),
        (buffer("up_filter", torch.ones(12, 12)), "expected up_filter .taps,."),
        (buffer("down_filter", torch.ones(12, 11)), "down_filter .taps,. or square, got"),
        (buffer("magnitude_ema", torch.ones(2)), r"L0_36_4: expected magnitude_ema \(\), got \(2"),
        (parameter("bias", torch.ones(3)), r"L0_36_4: expected bias \(4,\), got \(3,\)"),
        (parameter("weight", torch.ones(4, 4)), r"expected weight \(4, 4, 3, 3\), got \(4, 4\)"),
    ],
)
def test_what_is_out_of_place_is_named(
    change: Callable[[Published], None], told: str, tmp_path: Path
) -> None:
    synthesis = tree()
    change(synthesis)
    with pytest.raises(GeneratorError, match=told):
        describe_stylegan3(stored(synthesis, tmp_path))


@pytest.mark.parametrize(
    "change", [of_network("num_ws", 3), attribute("out_size", 37), attribute("up_factor", 99)]
)
def test_impossible_geometry_is_refused(
    change: Callable[[Published], None], tmp_path: Path
) -> None:
    synthesis = tree()
    change(synthesis)
    with pytest.raises(ValidationError):
        describe_stylegan3(stored(synthesis, tmp_path))
