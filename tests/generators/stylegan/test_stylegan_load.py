"""Loading and converting networks in the layout of the published files."""

from pathlib import Path
from typing import Any

import pytest
import torch

from generators.checksum import sha256
from generators.stylegan.__main__ import main
from generators.stylegan.generator import StyleGANGenerator
from generators.stylegan.load import convert, load
from generators.stylegan.mapping import MappingConfig
from generators.stylegan.network import StyleGAN, StyleGANConfig
from generators.stylegan.settings import StyleGANSettings
from generators.stylegan.stylegan2 import StyleGAN2Config, StyleGAN2Synthesis
from strategies.common.errors import GeneratorError
from tests.generators.stylegan import tiny
from tests.generators.stylegan.published import Published, publish
from tests.generators.stylegan.published_stylegan2 import (
    published_generator,
    published_stylegan2,
)
from tests.generators.stylegan.published_stylegan3 import published_stylegan3


def _published(network: StyleGAN) -> Published:
    synthesis = network.synthesis_network
    if isinstance(synthesis, StyleGAN2Synthesis):
        return published_generator(network, published_stylegan2(synthesis))
    family = "xl" if network.mapping.table is not None else "t"
    tree = published_stylegan3(synthesis.config, synthesis.state_dict(), family)
    return published_generator(network, tree)


def _stylegan2(**changes: Any) -> StyleGAN:
    synthesis = StyleGAN2Config(**{"w_dim": 5, "channels": (4, 3), **changes})
    mapping = MappingConfig(z_dim=6, c_dim=0, w_dim=5, num_ws=4, widths=(7, 5))
    return tiny.seeded(StyleGANConfig(mapping=mapping, synthesis=synthesis))


_NETWORKS = {
    "stylegan2": _stylegan2(clamp=256.0),
    "stylegan2 with classes": tiny.stylegan2(classes=3),
    "stylegan2, residual and without noise": _stylegan2(architecture="resnet", noise=False),
    "stylegan2, plain and grey": _stylegan2(architecture="orig", image_channels=1),
    "stylegan3-t": tiny.stylegan3("t"),
    "stylegan3-r": tiny.stylegan3("r"),
    "stylegan-xl": tiny.stylegan_xl(),
}


@torch.no_grad()
def _outputs(network: StyleGAN) -> list[torch.Tensor]:
    z = torch.randn(3, network.z_dim, generator=torch.Generator().manual_seed(1))
    c = torch.eye(network.c_dim)[:3] if network.c_dim else None
    return [network.mapping(z, c, 0.7), network(z, c), network(z, c, 0.7)]


@pytest.mark.parametrize("name", _NETWORKS)
@pytest.mark.parametrize("dilled", [False, True], ids=["pickled", "dilled on a GPU"])
def test_a_published_file_gives_back_its_network(
    tmp_path: Path, name: str, *, dilled: bool
) -> None:
    network = _NETWORKS[name]
    path = tmp_path / "network.pkl"
    path.write_bytes(publish(_published(network), dilled=dilled, cuda=dilled))
    loaded = load(path)
    assert (loaded.z_dim, loaded.c_dim, loaded.w_dim, loaded.num_ws, loaded.image_size) == (
        network.z_dim,
        network.c_dim,
        network.w_dim,
        network.num_ws,
        network.image_size,
    )
    for found, expected in zip(_outputs(loaded), _outputs(network), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", _NETWORKS)
def test_conversion_changes_nothing(tmp_path: Path, name: str) -> None:
    path, converted = tmp_path / "network.pkl", tmp_path / "network.safetensors"
    path.write_bytes(publish(_published(_NETWORKS[name])))
    convert(path, converted)
    for found, expected in zip(_outputs(load(converted)), _outputs(load(path)), strict=True):
        assert torch.equal(found, expected)


def test_an_xl_network_without_classes_ignores_its_table(tmp_path: Path) -> None:
    network = _stylegan2()
    tree = _published(network)
    mapping = tree.modules["mapping"]
    assert isinstance(mapping, Published)
    with_table = _published(tiny.stylegan_xl()).modules["mapping"]
    assert isinstance(with_table, Published)
    mapping.modules["embed"] = with_table.modules["embed"]
    mapping.modules["embed_proj"] = with_table.modules["embed_proj"]
    path = tmp_path / "network.pkl"
    path.write_bytes(publish(tree))
    assert torch.equal(_outputs(load(path))[0], _outputs(network)[0])


def test_the_family_is_read_off_the_file(tmp_path: Path) -> None:
    settings = StyleGANSettings(truncation_psi=1.0, batch_size=0, sha256="")
    for name, family in (("stylegan3-t", "stylegan"), ("stylegan-xl", "stylegan-xl")):
        path = tmp_path / f"{name}.pkl"
        path.write_bytes(publish(_published(_NETWORKS[name])))
        generator = StyleGANGenerator(path, settings, torch.device("cpu"))
        assert generator.family == family
        assert generator.sample_latents(2, torch.Generator()).shape == (2, generator.latent_dim)


def _without(tree: Published, *names: str) -> None:
    *parents, last = names
    for name in parents:
        child = tree.modules[name]
        assert isinstance(child, Published)
        tree = child
    for table in (tree.attributes, tree.parameters, tree.buffers, tree.modules):
        table.pop(last, None)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("mapping",), "expected a StyleGAN generator with a mapping and a synthesis network"),
        (("mapping", "w_avg"), r"network mapping .*: expected a tensor 'w_avg'"),
        (("mapping", "z_dim"), r"network mapping .*: expected a number 'z_dim'"),
        (("mapping", "fc0"), r"expected at least 1 item|at least 1 item"),
        (("synthesis", "block_resolutions"), "other families are not supported"),
        (("synthesis", "b8", "conv1"), r"network synthesis.b8 .*: expected a module 'conv1'"),
        (("synthesis", "b8", "conv0", "bias"), r"synthesis.b8.conv0 .*: expected a tensor 'bias'"),
        (("synthesis", "b8", "torgb"), r"network synthesis.b8 .*: expected a module 'torgb'"),
        (("synthesis", "b4"), "expected blocks b4, b8"),
        (
            ("synthesis", "b8", "conv0"),
            r"tensor synthesis_network.blocks.1.conv0.bias: expected shape",
        ),
    ],
)
def test_a_file_that_lacks_something_says_what(
    tmp_path: Path, names: tuple[str, ...], told: str
) -> None:
    tree = _published(_stylegan2())
    _without(tree, *names)
    path = tmp_path / "network.pkl"
    path.write_bytes(publish(tree))
    with pytest.raises(GeneratorError, match=told):
        load(path)


@pytest.mark.parametrize(
    ("place", "name", "value", "told"),
    [
        ("mapping", "z_dim", 10**7, "less than or equal to 8192"),
        ("mapping", "num_ws", 5, r"takes 4 latents of width 5, the mapping network gives 5"),
        ("mapping", "num_ws", True, "expected a number 'num_ws'"),
        ("mapping", "z_dim", 6.5, "expected a whole number 'z_dim'"),
        ("synthesis", "w_dim", 4, r"takes 4 latents of width 4"),
    ],
)
def test_numbers_that_cannot_be_are_refused(
    tmp_path: Path, place: str, name: str, value: object, told: str
) -> None:
    tree = _published(_stylegan2())
    part = tree.modules[place]
    assert isinstance(part, Published)
    part.attributes[name] = value
    path = tmp_path / "network.pkl"
    path.write_bytes(publish(tree))
    with pytest.raises(GeneratorError, match=told):
        load(path)


def test_another_low_pass_filter_is_refused(tmp_path: Path) -> None:
    tree = _published(_stylegan2())
    synthesis = tree.modules["synthesis"]
    assert isinstance(synthesis, Published)
    block = synthesis.modules["b8"]
    assert isinstance(block, Published)
    block.buffers["resample_filter"] = torch.eye(4) / 4
    path = tmp_path / "network.pkl"
    path.write_bytes(publish(tree))
    with pytest.raises(GeneratorError, match="the same along both axes"):
        load(path)


def _file(tmp_path: Path) -> Path:
    path = tmp_path / "network.pkl"
    path.write_bytes(publish(_published(_stylegan2())))
    return path


def test_the_command_converts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = _file(tmp_path), tmp_path / "out.safetensors"
    assert main(["convert", str(path), str(out), "--sha256", sha256(path)]) == 0
    told = capsys.readouterr().out
    assert "images 8 x 8, z 6, classes 0, 4 latents of width 5" in told
    assert torch.equal(_outputs(load(out))[1], _outputs(load(path))[1])


def test_the_command_explains_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = _file(tmp_path), tmp_path / "out.safetensors"
    out.write_bytes(b"kept")
    cases = [
        ([str(path), str(out)], "exists already"),
        ([str(path), str(tmp_path / "no" / "x.safetensors")], "expected an existing folder"),
        ([str(tmp_path / "no.pkl"), str(out), "--force"], "no such file"),
        ([str(path), str(out), "--force", "--sha256", "0" * 64], "expected SHA-256"),
    ]
    for arguments, told in cases:
        assert main(["convert", *arguments]) == 2
        assert told in capsys.readouterr().err
        assert out.read_bytes() == b"kept"
    assert main(["convert", str(path), str(out), "--force"]) == 0
