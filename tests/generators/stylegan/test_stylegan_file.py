"""The safetensors form of a network, and building from a description."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from generators.stylegan import safetensors_file
from generators.stylegan.mapping import MappingConfig
from generators.stylegan.network import StyleGAN, StyleGANConfig, build
from generators.stylegan.stylegan2 import StyleGAN2Config
from strategies.common.errors import GeneratorError
from tests.generators.stylegan import tiny


def test_a_network_comes_back_from_its_file(tmp_path: Path) -> None:
    network = tiny.stylegan2(classes=3)
    path = tmp_path / "net.safetensors"
    safetensors_file.write(safetensors_file.describe(network), path)
    again = build(safetensors_file.read(path))
    z = torch.randn(2, 6, generator=torch.Generator().manual_seed(0))
    c = torch.eye(3)[:2]
    assert torch.equal(again(z, c, 0.7), network(z, c, 0.7))
    assert again.config == network.config
    assert not any(weight.requires_grad for weight in again.parameters())


def test_equal_networks_give_equal_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        description = safetensors_file.describe(tiny.stylegan2())
        safetensors_file.write(description, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_shapes_are_those_of_the_interface() -> None:
    network = tiny.stylegan2()
    assert (network.z_dim, network.c_dim, network.w_dim) == (6, 0, 5)
    assert (network.num_ws, network.image_size) == (4, 8)
    ws = network.mapping(torch.zeros(2, 6))
    assert network.synthesis(ws).shape == (2, 3, 8, 8)
    with pytest.raises(GeneratorError, match=r"expected ws \(batch, 4, 5\), got \(2, 3, 5\)"):
        network.synthesis(ws[:, 1:])


def test_a_grey_network_draws_three_equal_channels() -> None:
    synthesis = StyleGAN2Config(w_dim=5, channels=(4,), image_channels=1)
    mapping = MappingConfig(z_dim=5, c_dim=0, w_dim=5, num_ws=2, widths=(5,))
    network = tiny.seeded(StyleGANConfig(mapping=mapping, synthesis=synthesis))
    found = network(torch.ones(1, 5))
    assert found.shape == (1, 3, 4, 4)
    assert torch.equal(found[:, 0], found[:, 2])


def test_halves_that_disagree_are_refused() -> None:
    synthesis = StyleGAN2Config(w_dim=5, channels=(4,))
    mapping = MappingConfig(z_dim=5, c_dim=0, w_dim=5, num_ws=4, widths=(5,))
    with pytest.raises(GeneratorError, match="takes 2 latents of width 5"):
        StyleGAN(StyleGANConfig(mapping=mapping, synthesis=synthesis))


@pytest.mark.parametrize("change", ["missing", "extra", "shape", "nan"])
def test_tensors_that_do_not_fit_are_refused(change: str) -> None:
    description = safetensors_file.describe(tiny.stylegan2())
    tensors = dict(description.tensors)
    name = "mapping.layers.0.bias"
    if change == "missing":
        del tensors[name]
    elif change == "extra":
        tensors["mapping.layers.9.bias"] = torch.zeros(5)
    elif change == "shape":
        tensors[name] = torch.zeros(8)
    else:
        tensors[name] = torch.full_like(tensors[name], torch.nan)
    with pytest.raises(GeneratorError, match=r"stylegan: tensor mapping.layers.\d.bias: expected"):
        build(replace(description, tensors=tensors))


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ({}, "without its geometry"),
        ({"nectar.stylegan": "{}"}, "geometry mapping: Field required"),
        ({"nectar.stylegan": "not json"}, "Invalid JSON"),
    ],
)
def test_other_safetensors_are_refused(tmp_path: Path, metadata: dict[str, str], told: str) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"x": torch.zeros(1)}, path, metadata)
    with pytest.raises(GeneratorError, match=told):
        safetensors_file.read(path)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    safetensors_file.write(safetensors_file.describe(tiny.stylegan2()), path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(GeneratorError, match="expected an intact safetensors file"):
        safetensors_file.read(path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    description = safetensors_file.describe(tiny.stylegan2())
    with pytest.raises(GeneratorError, match="cannot be written"):
        safetensors_file.write(description, tmp_path / "no" / "net.safetensors")
