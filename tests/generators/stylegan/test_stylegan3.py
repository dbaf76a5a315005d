"""StyleGAN3's synthesis against the published formulas, computed the long way in float64."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from generators.stylegan import stylegan3_rectifier
from generators.stylegan.stylegan3 import StyleGAN3Synthesis
from generators.stylegan.stylegan3_design import StyleGAN3Design, random_stylegan3
from generators.stylegan.stylegan3_grids import Resampling
from generators.stylegan.stylegan3_layers import InputConfig, Layer, LayerConfig, WaveInput
from generators.stylegan.stylegan3_rectifier import filtered_rectifier
from generators.stylegan.workspace import Workspace


def tiny(*, rotates: bool, head: tuple[int, int] | None = None) -> StyleGAN3Synthesis:
    """Return a network in float64 all of whose weights are random."""
    design = StyleGAN3Design(16, rotates, 128, 6, w_dim=5, num_layers=5, head=head)
    network = random_stylegan3(design, seed=0).double().requires_grad_(False)
    generator = torch.Generator().manual_seed(1)
    for name, weight in network.state_dict().items():
        if name.endswith(("bias", "affine.weight")):
            noise = torch.randn(weight.shape, generator=generator, dtype=torch.float64)
            weight.add_(noise, alpha=0.5)
        if name.endswith("magnitude_ema"):
            weight.fill_(1.7)
        if name.endswith("transform"):
            weight.copy_(torch.tensor([[0.8, -0.6, 0.1], [0.6, 0.8, -0.2], [0, 0, 1]]))
    return network


def latents(network: StyleGAN3Synthesis, count: int) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    shape = (count, network.num_ws, network.config.w_dim)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


# The long way


def spread(image: Tensor, up: int, padding: tuple[int, int]) -> Tensor:
    """Place pixels ``up`` apart among zeros and pad, (channel, side, side)."""
    side = image.shape[1] * up
    spread = image.new_zeros(len(image), side, side)
    spread[:, ::up, ::up] = image
    before, after = padding
    grown = image.new_zeros(len(image), *(side + max(before, 0) + max(after, 0),) * 2)
    start = max(before, 0)
    grown[:, start : start + side, start : start + side] = spread
    kept = slice(max(-before, 0), grown.shape[1] - max(-after, 0))
    return grown[:, kept, kept]


def convolve(image: Tensor, kernel: Tensor) -> Tensor:
    """Convolve where the kernel is inside, tap by tap."""
    height, width = (image.shape[1 + axis] - kernel.shape[axis] + 1 for axis in (0, 1))
    result = image.new_zeros(len(image), height, width)
    for y, row in enumerate(kernel.flip((0, 1)).tolist()):
        for x, tap in enumerate(row):
            result += tap * image[:, y : y + height, x : x + width]
    return result


def rectified(
    image: Tensor, up: Tensor, down: Tensor, grids: Resampling, clamp: float | None
) -> Tensor:
    fine = convolve(spread(image, grids.up, grids.padding), torch.outer(up, up) * grids.up**2)
    fine = torch.where(fine > 0, fine, 0.2 * fine) * math.sqrt(2)
    if clamp is not None:
        fine = fine.clip(-clamp, clamp)
    kernel = down if down.ndim == 2 else torch.outer(down, down)
    return convolve(fine, kernel)[:, :: grids.down, :: grids.down]


def modulated(layer: Layer, style: Tensor, *, colours: bool) -> Tensor:
    """Return a picture's own weights (output, input, kernel, kernel)."""
    weight = layer.weight
    if colours:
        return weight * style[None, :, None, None] / math.sqrt(weight[0].numel())
    weight = weight / weight.square().mean((1, 2, 3), keepdim=True).sqrt()
    weight = weight * style[None, :, None, None]
    return weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()


def long_layer(layer: Layer, config: LayerConfig, features: Tensor, w: Tensor) -> Tensor:
    styles = w @ layer.affine.weight.T / math.sqrt(w.shape[1]) + layer.affine.bias
    colours = config.resampling is None
    if not colours:
        styles = styles / styles.square().mean().sqrt()
    pictures = []
    for image, style in zip(features, styles, strict=True):
        weight = modulated(layer, style, colours=colours) / layer.magnitude_ema.sqrt()
        padded = spread(image, 1, (config.kernel - 1,) * 2)
        convolved = torch.stack(
            [
                sum(
                    convolve(padded[i : i + 1], kernel[i].flip((0, 1)))[0]
                    for i in range(len(kernel))
                )
                for kernel in weight
            ]
        )
        convolved = convolved + layer.bias[:, None, None]
        if config.resampling is None:
            limit = config.clamp or math.inf
            pictures.append(convolved.clip(-limit, limit))
        else:
            pictures.append(
                rectified(
                    convolved, layer.up_taps, layer.down_taps, config.resampling, config.clamp
                )
            )
    return torch.stack(pictures)


def long_waves(waves: WaveInput, config: InputConfig, w: Tensor) -> Tensor:
    """Evaluate every wave of every picture at every point by itself."""
    pictures = []
    for latent in w:
        told = waves.affine.weight @ latent / math.sqrt(len(latent)) + waves.affine.bias
        cosine, sine, right, down = (told / math.hypot(*told[:2].tolist())).tolist()
        turn = torch.tensor([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1.0]]).double()
        shift = torch.tensor([[1, 0, -right], [0, 1, -down], [0, 0, 1.0]]).double()
        turn[:2, :2] = torch.tensor([[cosine, -sine], [sine, cosine]], dtype=torch.float64)
        shift[:2, 2] = torch.tensor([-right, -down], dtype=torch.float64)
        motion = turn @ shift @ waves.transform
        maps = []
        for frequency, phase in zip(waves.freqs, waves.phases, strict=True):
            shifted = phase + frequency @ motion[:2, 2]
            turned = frequency @ motion[:2, :2]
            room = config.sampling_rate / 2 - config.bandwidth
            amplitude = (1 - (turned.norm() - config.bandwidth) / room).clip(0, 1)
            edge = 0.5 * config.size / config.sampling_rate
            borders = torch.linspace(-edge, edge, config.size + 1, dtype=torch.float64)
            centres = (borders[1:] + borders[:-1]) / 2
            turns = turned[0] * centres[None, :] + turned[1] * centres[:, None] + shifted
            maps.append(torch.sin(2 * math.pi * turns) * amplitude)
        weight = waves.weight / math.sqrt(config.channels)
        pictures.append(torch.einsum("oi,iyx->oyx", weight, torch.stack(maps)))
    return torch.stack(pictures)


# The network


@pytest.mark.parametrize("rotates", [False, True])
@pytest.mark.parametrize("head", [None, (32, 4)])
def test_every_layer_agrees_with_the_formulas(rotates: bool, head: tuple[int, int] | None) -> None:
    network = tiny(rotates=rotates, head=head)
    ws = latents(network, 2)
    features = network.input(ws[:, 0])
    assert torch.allclose(features, long_waves(network.input, network.config.input, ws[:, 0]))
    for place, (layer, config) in enumerate(
        zip(network.layers, network.config.layers, strict=True)
    ):
        expected = long_layer(layer, config, features, ws[:, place + 1])
        features = layer(features, ws[:, place + 1], Workspace()).clone()
        assert features.shape == expected.shape
        assert features.shape[1:] == (config.out_channels, config.out_size, config.out_size)
        assert torch.allclose(features, expected, rtol=0, atol=1e-8 * expected.abs().max()), place
    assert torch.equal(network(ws), features * 0.25)


def test_both_kinds_of_filters_are_met() -> None:
    radial = [
        layer.resampling.radial
        for layer in tiny(rotates=True).config.layers
        if layer.resampling is not None
    ]
    # Radial but for the two critically sampled layers.
    assert radial == [True, True, True, False, False]


def test_single_precision_is_close() -> None:
    network = tiny(rotates=False)
    ws = latents(network, 3)
    expected = network(ws)
    images = network.float()(ws.float())
    assert images.dtype == torch.float32
    assert torch.allclose(images.double(), expected, rtol=0, atol=3e-6 * expected.abs().max())


def test_a_picture_does_not_depend_on_its_neighbours() -> None:
    network = tiny(rotates=True)
    ws = latents(network, 3)
    together = network(ws)
    for place in range(3):
        alone = network(ws[place : place + 1])
        assert torch.allclose(alone[0], together[place], rtol=0, atol=1e-12)
    assert not torch.allclose(together[0], together[1], atol=0.01)


def test_the_same_latents_give_the_same_picture() -> None:
    network = tiny(rotates=False).float()
    ws = latents(network, 2).float()
    assert torch.equal(network(ws), network(ws))


def test_latents_beyond_the_last_layer_are_not_read() -> None:
    network = tiny(rotates=False)
    longer = network.config.model_copy(update={"num_ws": network.num_ws + 2})
    copy = StyleGAN3Synthesis(longer).double()
    copy.load_state_dict(network.state_dict())
    ws = latents(copy, 1)
    assert torch.equal(copy(ws), network(ws[:, :-2]))


def test_activations_are_clamped() -> None:
    network = tiny(rotates=False)
    layer, config = network.layers[1], network.config.layers[1]
    tight = Layer(config.model_copy(update={"clamp": 0.5}), 5).double().requires_grad_(False)
    tight.load_state_dict(layer.state_dict())
    ws = latents(network, 2)
    features = network.input(ws[:, 0])
    clamped = tight(features, ws[:, 1], Workspace()).clone()
    expected = long_layer(layer, config.model_copy(update={"clamp": 0.5}), features, ws[:, 1])
    assert torch.allclose(clamped, expected, atol=1e-10)
    assert not torch.allclose(clamped, layer(features, ws[:, 1], Workspace()), atol=0.1)


# The rectifier on grids of all kinds


@st.composite
def grids(draw: st.DrawFn) -> tuple[int, Resampling]:
    up, down = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    side = draw(st.integers(1, 9))
    up_taps, down_taps = draw(st.integers(1, 14)), draw(st.integers(1, 9))
    before, after = draw(st.integers(-4, 12)), draw(st.integers(-4, 12))
    lacking = down_taps + up_taps - 1 - side * up - before - after
    resampling = Resampling(
        up=up,
        down=down,
        padding=(before, after + max(lacking, 0)),
        up_taps=up_taps,
        down_taps=down_taps,
        radial=draw(st.booleans()),
    )
    return side, resampling


@given(
    grids(),
    st.integers(1, 3),
    st.integers(0, 1 << 20),
    st.integers(0, 99),
    st.sampled_from([None, 0.3]),
)
def test_rectifying_in_pieces_agrees_with_the_formula(
    case: tuple[int, Resampling], batch: int, piece: int, seed: int, clamp: float | None
) -> None:
    side, resampling = case
    generator = torch.Generator().manual_seed(seed)

    def noise(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    features, scale, bias = noise(batch, 2, side, side), noise(batch, 2), noise(2)
    up, down = noise(resampling.up_taps), noise(*(resampling.down_taps,) * (1 + resampling.radial))
    workspace = Workspace()
    for role in ("inputs", "tall", "fine", "rows", "outputs"):
        # What was there before must not matter.
        workspace.take(role, (1 << 18,), features).fill_(math.nan)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stylegan3_rectifier, "_CPU_PIECE_BYTES", piece)
        drawn = filtered_rectifier(
            features, scale, bias, up, down, resampling=resampling, clamp=clamp, workspace=workspace
        )
    shifted = features * scale[:, :, None, None] + bias[:, None, None]
    expected = torch.stack([rectified(one, up, down, resampling, clamp) for one in shifted])
    assert torch.allclose(drawn, expected, rtol=1e-9, atol=1e-9)
