"""Cut networks: sizes and costs to the number, and the same network wherever it is cut."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from strategies.common import seeds
from strategies.common.errors import ModelError, SettingsError
from strategies.common.inputs import Images, Windows
from strategies.common.run_config import default_config, read_table
from strategies.common.split.networks import cut
from strategies.common.split.settings import SplitSettings
from strategies.common.task import Task

Build = Callable[..., SplitSettings]
CIFAR = Task(10, Images(3, 32, 32), 0)
NETWORKS = {"resnet18": 9, "vgg11": 13, "mobilenetv2": 19}


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def multiplications(network: cut.CutFront, task: Task) -> int:
    """Count the multiply-adds of the front's convolutions for one image."""
    front = network.front.to("meta")
    with FlopCounterMode(display=False) as counter:
        front(torch.zeros(1, *task.images.shape, device="meta"))
    return int(counter.get_total_flops()) // 2


def views(task: Task, samples: int, seed: int = 0) -> torch.Tensor:
    shape = (samples, *task.images.shape)
    return torch.randn(shape, generator=seeds.generator(seed, "test"))


@pytest.mark.parametrize(
    ("modules", "bottleneck", "latent", "parameters", "millions"),
    [
        # Stem: 3*64*9 weights and 2*64 of the normalisation; 1728 * 32 * 32 multiply-adds.
        (1, "", (64, 32, 32), 1_856, 1.8),
        (2, "", (64, 32, 32), 75_840, 77.3),
        (3, "", (64, 32, 32), 149_824, 152.8),
        (4, "", (128, 16, 16), 379_968, 211.5),
        (6, "", (256, 8, 8), 1_594_432, 345.7),
        (7, "", (256, 8, 8), 2_775_104, 421.2),
        (9, "", (512, 4, 4), 11_168_832, 555.4),
        # The bottleneck adds 64*4*9 weights and 4 biases.
        (1, "C4S2", (4, 16, 16), 4_164, 2.4),
        (2, "C4S2", (4, 16, 16), 78_148, 77.9),
        (2, "C2S2", (2, 16, 16), 75_840 + 1_154, 77.6),
        (2, "C8S2", (8, 16, 16), 75_840 + 4_616, 78.4),
        (2, "C16S2", (16, 16, 16), 75_840 + 9_232, 79.6),
    ],
)
def test_the_published_resnet_has_the_published_size(
    modules: int,
    bottleneck: str,
    latent: tuple[int, ...],
    parameters: int,
    millions: float,
    split_settings: Build,
) -> None:
    network = cut.build_front(split_settings(cut=modules, bottleneck=bottleneck), CIFAR, 0)
    assert network.latent_shape == latent
    assert count(network.front) == parameters
    assert round(multiplications(network, CIFAR) / 1e6, 1) == millions


def test_both_parts_together_are_the_whole_network(split_settings: Build) -> None:
    network = cut.build(split_settings(cut=4), CIFAR, 0)
    assert count(network.front) == 379_968
    assert count(network.front) + count(network.back) == 11_168_832
    assert network.feature_dim == 512


@pytest.mark.parametrize(("modules", "millions"), [(1, 118), (2, 1_043)])
def test_large_images_are_halved_by_the_stem(
    modules: int, millions: int, split_settings: Build
) -> None:
    task = Task(12, Images(3, 224, 224), 0)
    network = cut.build_front(split_settings(cut=modules), task, 0)
    assert network.latent_shape == (64, 112, 112)
    assert round(multiplications(network, task) / 1e6) == millions
    narrowed = cut.build_front(split_settings(cut=modules, bottleneck="C4S2"), task, 0)
    assert narrowed.latent_shape == (4, 56, 56)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(
    ("channels", "height", "width"), [(1, 8, 8), (1, 1, 1), (3, 28, 20), (2, 3, 40), (3, 64, 64)]
)
def test_every_network_takes_every_image(
    network: str, channels: int, height: int, width: int, split_settings: Build
) -> None:
    task = Task(10, Images(channels, height, width), 0)
    built = cut.build(split_settings(network=network, width=8, cut=4), task, 0)
    activations = built.front(views(task, 2))
    assert activations.shape == (2, *built.latent_shape)
    features = built.back(activations)
    assert features.shape == (2, built.feature_dim)
    assert bool(features.isfinite().all())


@pytest.mark.parametrize(
    ("network", "width", "feature_dim"),
    [
        ("resnet18", 64, 512),
        ("resnet18", 16, 128),
        ("vgg11", 64, 512),
        ("mobilenetv2", 32, 1280),
        ("mobilenetv2", 16, 640),
    ],
)
def test_channels_scale_with_the_width(
    network: str, width: int, feature_dim: int, split_settings: Build
) -> None:
    task = Task(10, Images(1, 8, 8), 0)
    built = cut.build(split_settings(network=network, width=width, cut=1), task, 0)
    assert built.latent_shape == (width, 8, 8)
    assert built.feature_dim == feature_dim


@pytest.mark.parametrize(("network", "modules"), NETWORKS.items())
def test_weights_and_features_are_the_same_wherever_the_cut_is(
    network: str, modules: int, split_settings: Build
) -> None:
    task = Task(10, Images(3, 16, 16), 0)
    inputs = views(task, 2)
    features = []
    for position in range(1, modules + 1):
        built = cut.build(split_settings(network=network, width=8, cut=position), task, 3)
        features.append(built.back(built.front(inputs)))
    assert all(torch.equal(other, features[0]) for other in features)


@settings(max_examples=15, deadline=None)
@given(
    network=st.sampled_from(sorted(NETWORKS)),
    standardised=st.booleans(),
    samples=st.integers(2, 4),
    seed=st.integers(0, 99),
)
def test_samples_do_not_meet(network: str, standardised: bool, samples: int, seed: int) -> None:
    chosen = {"network": network, "width": 8, "cut": 3, "weight-standardisation": standardised}
    config = {**default_config(), **{f"split.{key}": value for key, value in chosen.items()}}
    task = Task(10, Images(1, 8, 8), 0)
    built = cut.build(read_table(config, "split", SplitSettings), task, seed)
    inputs = views(task, samples, seed)
    together = built.front(inputs)
    alone = torch.cat([built.front(sample) for sample in inputs.split(1)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
    # Where a group is four values of one pixel, single precision keeps only some digits.
    precise = nn.Sequential(built.front, built.back).double()
    together = precise(inputs.double())
    alone = torch.cat([precise(sample) for sample in inputs.double().split(1)])
    torch.testing.assert_close(together, alone)
    assert not list(built.front.buffers())
    assert not list(built.back.buffers())


def test_the_seed_alone_decides_on_the_weights(split_settings: Build) -> None:
    def weights(seed: int) -> torch.Tensor:
        built = cut.build(split_settings(width=8, bottleneck="C4S2"), CIFAR, seed)
        parts = [*built.front.parameters(), *built.back.parameters()]
        return torch.cat([part.detach().flatten() for part in parts])

    torch.manual_seed(1)
    first = weights(0)
    state = torch.get_rng_state()
    assert torch.equal(weights(0), first)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(weights(1), first)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("bottleneck", ["", "C4S2"])
def test_a_front_built_alone_is_the_networks(
    network: str, bottleneck: str, split_settings: Build
) -> None:
    chosen = split_settings(network=network, width=8, cut=4, bottleneck=bottleneck)
    whole, alone = cut.build(chosen, CIFAR, 5), cut.build_front(chosen, CIFAR, 5)
    assert alone.latent_shape == whole.latent_shape
    theirs, ours = whole.front.state_dict(), alone.front.state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert torch.equal(alone.front(views(CIFAR, 1)), whole.front(views(CIFAR, 1)))


def test_skips_are_left_out_on_the_client_alone(split_settings: Build) -> None:
    with_skips = cut.build(split_settings(width=8, cut=4), CIFAR, 0)
    without = cut.build(split_settings(width=8, cut=4, client_residual=False), CIFAR, 0)
    # The fourth module's shortcut: a 1x1 convolution 8 to 16 and its normalisation.
    assert count(without.front) == count(with_skips.front) - 8 * 16 - 2 * 16
    assert count(without.back) == count(with_skips.back)
    client, server = without.front[1], without.back[0]
    inputs = torch.randn(1, 8, 8, 8, generator=seeds.generator(0, "test"))
    assert torch.equal(client(inputs), client.second(client.first(inputs)).relu())
    inputs = torch.randn(1, 16, 8, 8, generator=seeds.generator(0, "test"))
    assert torch.equal(server(inputs), (server.second(server.first(inputs)) + inputs).relu())


@pytest.mark.parametrize(("network", "modules"), NETWORKS.items())
def test_a_cut_beyond_the_last_module_is_refused(
    network: str, modules: int, split_settings: Build
) -> None:
    last = cut.build(split_settings(network=network, width=8, cut=modules), CIFAR, 0)
    assert count(last.back) == 0
    expected = f"split.cut: expected 1 to {modules}, the modules of {network}, got {modules + 1}"
    for build in (cut.build, cut.build_front):
        with pytest.raises(SettingsError, match=expected):
            build(split_settings(network=network, width=8, cut=modules + 1), CIFAR, 0)


def test_a_width_that_is_no_multiple_of_four_is_refused(split_settings: Build) -> None:
    with pytest.raises(SettingsError, match=r"split\.width: expected a multiple of 4.*got 18"):
        cut.build(split_settings(width=18), CIFAR, 0)


def test_readings_are_refused(split_settings: Build) -> None:
    for build in (cut.build, cut.build_front):
        with pytest.raises(
            ModelError, match=r"task.images: expected images, got windows of 9 x 128"
        ):
            build(split_settings(), Task(6, Windows(9, 128), 0), seed=1)
