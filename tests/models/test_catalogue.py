"""Every model of the table: shapes, gradients, seeds, refusals and lazy imports."""

import sys
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from models import catalogue
from strategies.common.errors import ModelError, SettingsError
from strategies.common.inputs import Columns, Images, Inputs, Tokens, Windows
from strategies.common.task import Task
from tests.fresh_processes import FreshProcesses

IMAGE_MODELS = [name for name, (_, reads) in catalogue.MODELS.items() if reads.kind is Images]
SENSOR_MODELS = [name for name, (_, reads) in catalogue.MODELS.items() if reads.kind is Windows]
BIG = ["vit_b_16", "vit_b_32"]
SMALL = ["cnn", "resnet4", "resnet6", "resnet8", "resnet10"]
MIDDLE = [name for name in IMAGE_MODELS if name not in {*SMALL, *BIG}]
CASES = [
    *((name, size, channels) for name in SMALL for size, channels in ((8, 1), (32, 3))),
    *((name, 8, 1) for name in MIDDLE if name != "resnet34"),
    # The smallest images of the ImageNet stem, which leaves one position of them.
    *((name, 28, 1) for name in ("resnet18", "mobilenet_v2")),
]
MORE_CASES = [
    *((name, 28, 1) for name in (*SMALL, *MIDDLE) if name not in ("resnet18", "mobilenet_v2")),
    *((name, 32, 3) for name in ("resnet18", "mobilenet_v2")),
    *((name, 224, 3) for name in ("cnn", "mobilenet_v2")),
]


def thorough(*case: object) -> object:
    """Return a case that make check plays and make test leaves out."""
    return pytest.param(*case, marks=pytest.mark.thorough)


@pytest.fixture(autouse=True)
def strict_determinism() -> Iterator[None]:
    # The same as use_deterministic_algorithms, without its slow imports.
    before = torch.get_deterministic_debug_mode()
    torch.set_deterministic_debug_mode("error")
    yield
    torch.set_deterministic_debug_mode(before)


def images(channels: int, height: int, width: int, count: int = 2) -> torch.Tensor:
    noise = torch.Generator().manual_seed(5)
    return torch.rand(count, channels, height, width, generator=noise) * 2 - 1


def test_the_names_are_those_that_the_settings_promise() -> None:
    assert list(catalogue.MODELS) == [
        *("cnn", "resnet4", "resnet6", "resnet8", "resnet10", "resnet18", "resnet34"),
        *("resnet50", "googlenet", "mobilenet_v2", "vit_tiny", "vit_b_16", "vit_b_32"),
        *("sensor_cnn", "sensor_cnn1", "sensor_cnn3", "sensor_strided", "sensor_resnet"),
        "sensor_gru",
        *("fasttext", "text_cnn", "text_lstm", "text_transformer", "mlp", "wide_mlp"),
    ]


@pytest.mark.parametrize(
    ("name", "size", "channels"), [*CASES, *(thorough(*case) for case in MORE_CASES)]
)
def test_a_batch_of_two_trains(name: str, size: int, channels: int) -> None:
    model = catalogue.build(name, Task(10, Images(channels, size, size), 0), 512, seed=1)
    model.train()
    inputs = images(channels, size, size)
    features = model.features(inputs)
    assert features.shape == (2, 512)
    logits = model.head(features)
    assert logits.shape == (2, 10)
    nn.functional.cross_entropy(logits, torch.tensor([0, 1])).backward()
    for parameter_name, parameter in model.named_parameters():
        # A part without gradient would never learn.
        assert parameter.grad is not None, parameter_name
        assert bool(torch.isfinite(parameter.grad).all()), parameter_name


def shape_check(name: str, channels: int, height: int, width: int) -> None:
    # The meta device computes shapes alone, so that large networks cost little.
    with torch.device("meta"):
        model = catalogue.build(name, Task(7, Images(channels, height, width), 0), 0, seed=1)
    widths = []
    model.body.register_forward_hook(lambda _, __, output: widths.append(output.shape))
    inputs = torch.empty(2, channels, height, width, device="meta")
    assert model(inputs).shape == (2, 7)
    assert widths == [(2, model.feature_dim)]


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        *((name, (3, 28, 224)) for name in IMAGE_MODELS),
        *(thorough(name, (3, 8, 8)) for name in IMAGE_MODELS),
    ],
)
def test_neither_tiny_nor_oblong_images_vanish(name: str, shape: tuple[int, int, int]) -> None:
    shape_check(name, *shape)


@settings(max_examples=15, deadline=None)
@given(
    name=st.sampled_from(["cnn", "resnet10"]),
    channels=st.sampled_from([1, 3]),
    height=st.integers(8, 224),
    width=st.integers(8, 224),
)
def test_no_size_within_range_vanishes(name: str, channels: int, height: int, width: int) -> None:
    shape_check(name, channels, height, width)


@pytest.mark.parametrize(
    ("name", "width"),
    [
        *(("cnn", 512), ("resnet4", 64), ("resnet6", 128), ("resnet8", 256), ("resnet10", 512)),
        *(("resnet18", 512), ("resnet34", 512), ("resnet50", 2048), ("googlenet", 1024)),
        *(("mobilenet_v2", 1280), ("vit_tiny", 192), ("vit_b_16", 768), ("vit_b_32", 768)),
    ],
)
def test_feature_dim_0_keeps_the_natural_width(name: str, width: int) -> None:
    with torch.device("meta"):
        model = catalogue.build(name, Task(10, Images(3, 32, 32), 0), 0, seed=1)
    assert model.feature_dim == width
    assert model.head.in_features == width


@pytest.mark.parametrize(
    ("name", "millions"),
    # The table of HtFLlib's families: 10 classes, 512 features, 3 channels of 32 pixels.
    # Transformers are listed as 86 to 88 M with a hidden layer in the head (0.4 M).
    [
        *(("resnet4", 0.089), ("resnet6", 0.32), ("resnet8", 1.24), ("resnet10", 4.9)),
        *(("resnet18", 11.2), ("resnet34", 21.3), ("resnet50", 23.5), ("googlenet", 5.6)),
        *(("mobilenet_v2", 2.2), ("cnn", 0.88), ("vit_b_16", 86), ("vit_b_32", 88)),
    ],
)
def test_parameters_are_as_many_as_published(name: str, millions: float) -> None:
    with torch.device("meta"):
        model = catalogue.build(name, Task(10, Images(3, 32, 32), 0), 512, seed=1)
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == pytest.approx(millions * 1e6, rel=0.02)


@pytest.mark.parametrize("name", ["cnn", "resnet4", "googlenet", "mobilenet_v2", "vit_tiny"])
def test_a_seed_decides_the_weights_and_nothing_else(name: str) -> None:
    task = Task(10, Images(1, 8, 8), 0)
    torch.manual_seed(123)
    expected = torch.rand(3)
    torch.manual_seed(123)
    first = catalogue.build(name, task, 512, seed=1)
    assert torch.equal(torch.rand(3), expected)
    again = catalogue.build(name, task, 512, seed=1)
    other = catalogue.build(name, task, 512, seed=2)
    weights = first.state_dict()
    assert weights.keys() == again.state_dict().keys()
    assert all(torch.equal(weights[key], value) for key, value in again.state_dict().items())
    for key, parameter in other.named_parameters():
        # Norm scales, biases and the class token start constant.
        if parameter.std() > 0:
            assert not torch.equal(weights[key], parameter), key


@pytest.mark.parametrize(
    "name", ["cnn", "resnet8", "googlenet", "mobilenet_v2", "vit_tiny", *SENSOR_MODELS]
)
def test_training_twice_gives_the_same_bits_without_touching_global_randomness(name: str) -> None:
    def gradients() -> list[torch.Tensor]:
        inputs: Inputs = Windows(3, 64) if name in SENSOR_MODELS else Images(1, 8, 8)
        model = catalogue.build(name, Task(10, inputs, 0), 512, seed=1)
        model.train()
        model(inputs.example(4, torch.Generator().manual_seed(5))).square().sum().backward()
        return [p.grad for p in model.parameters() if p.grad is not None]

    before = torch.get_rng_state()
    first = gradients()
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(first, gradients(), strict=True))


# Plain SGD without warm-up: batch normalisation and attention each bear another step size.
# Enough steps for whatever a version of torch draws.
@pytest.mark.parametrize(
    ("name", "rate", "steps"), [("cnn", 0.1, 20), ("resnet4", 0.03, 20), ("vit_tiny", 0.003, 40)]
)
def test_a_model_learns_which_half_is_bright(name: str, rate: float, steps: int) -> None:
    labels = torch.arange(8) % 2
    inputs = images(1, 8, 8, count=8) * 0.3
    inputs[labels == 0, :, :, :4] += 0.7
    inputs[labels == 1, :, :, 4:] += 0.7
    model = catalogue.build(name, Task(2, Images(1, 8, 8), 0), 512, seed=3)
    model.train()
    optimiser = torch.optim.SGD(model.parameters(), lr=rate)
    for _ in range(steps):
        loss = nn.functional.cross_entropy(model(inputs), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    # Guessing costs log(2) = 0.69.
    assert loss.item() < 0.2


def test_check_splits_and_strips() -> None:
    assert catalogue.check(" cnn , resnet4,cnn") == ("cnn", "resnet4", "cnn")


@pytest.mark.parametrize("names", ["", "cnn,,resnet4", "cnn,", "resnet5", "CNN", "cnn;resnet4"])
def test_check_refuses_unknown_and_empty_names_and_tells_the_known_ones(names: str) -> None:
    with pytest.raises(SettingsError, match=r"setting models: unknown .*cnn, resnet4, .*vit_b_32"):
        catalogue.check(names)


def test_models_are_dealt_in_turn() -> None:
    names = ("cnn", "resnet4", "cnn", "vit_tiny")
    assert [catalogue.dealt(names, partition) for partition in range(6)] == [
        *("cnn", "resnet4", "cnn", "vit_tiny", "cnn", "resnet4")
    ]


def test_build_refuses_an_unknown_name() -> None:
    with pytest.raises(SettingsError, match="unknown 'lenet'"):
        catalogue.build("lenet", Task(10, Images(1, 28, 28), 0), 512, seed=1)


@pytest.mark.parametrize(
    ("name", "inputs", "advice"),
    [
        ("cnn", Images(3, 225, 225), "set image-size to between 8 and 224"),
        ("vit_b_16", Images(3, 100, 300), "set image-size to between 8 and 224"),
        ("resnet4", Images(1, 7, 7), "set image-size to between 8 and 224"),
        ("sensor_cnn", Images(9, 1, 128), "set image-size to between 8 and 224"),
        ("cnn", Windows(9, 128), "models that can read it are sensor_cnn"),
        ("vit_tiny", Windows(9, 20), "can read it are sensor_cnn1, sensor_resnet, sensor_gru"),
        ("sensor_gru", Windows(9, 7), "no model can read it; set window-length to between 8 and"),
        ("cnn", Windows(9, 5000), "set window-length to between 8 and 4096"),
        ("cnn", Tokens(8, 100), "models that can read it are fasttext, text_cnn"),
        ("fasttext", Tokens(5000, 100), "no model of the table can read it; a model of your own"),
        ("fasttext", Columns(9), "models that can read it are mlp, wide_mlp"),
        ("mlp", Tokens(8, 100), "models that can read it are fasttext, text_cnn"),
        ("sensor_cnn", Images(3, 32, 32), "models that can read it are cnn, resnet4"),
    ],
)
def test_build_refuses_inputs_that_a_model_cannot_read(
    name: str, inputs: Inputs, advice: str
) -> None:
    with pytest.raises(ModelError) as refusal:
        catalogue.build(name, Task(10, inputs, 0), 512, seed=1)
    text = str(refusal.value)
    assert text.startswith(f"model '{name}': expected ")
    assert f"got {inputs}; " in text
    assert advice in text


GUARD = """
import sys

class Guard:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torchvision":
            raise ImportError("torchvision was imported")

sys.meta_path.insert(0, Guard())
from models import catalogue
from strategies.common.inputs import Images, Windows
from strategies.common.task import Task
from tests.fresh_processes import FreshProcesses

catalogue.check(",".join(catalogue.MODELS))
loaded = [name for name in sys.modules if name.startswith("models.")]
assert sorted(loaded) == ["models.body", "models.catalogue", "models.own"], loaded
for name in ("cnn", "resnet4", "resnet6", "resnet8", "resnet10"):
    catalogue.build(name, Task(10, Images(1, 28, 28), 0), 512, 1)
for name in ("sensor_cnn", "sensor_strided", "sensor_resnet", "sensor_gru"):
    catalogue.build(name, Task(6, Windows(9, 128), 0), 512, 1)
try:
    catalogue.build("resnet18", Task(10, Images(1, 28, 28), 0), 512, 1)
except ImportError:
    print("guarded")
"""


def test_small_models_and_the_table_do_not_import_torchvision(
    fresh_processes: FreshProcesses,
) -> None:
    # In a process of its own, because other tests load torchvision into this one.
    done = fresh_processes.run("-c", GUARD)
    assert done.returncode == 0, done.stderr
    # The guard itself works: ResNet-18 does import torchvision.
    assert done.stdout.strip() == "guarded"


@pytest.mark.parametrize("name", [*SMALL, "mobilenet_v2", "vit_tiny", *SENSOR_MODELS])
def test_a_model_that_is_to_be_loaded_becomes_what_is_loaded(name: str) -> None:
    inputs: Inputs = Windows(3, 64) if name in SENSOR_MODELS else Images(1, 28, 28)
    task = Task(5, inputs, 0)
    begun = catalogue.build(name, task, 64, seed=3)
    loaded = catalogue.build(name, task, 64, seed=3, to_be_loaded=True)
    loaded.load_state_dict(begun.state_dict())
    shape = (2, 3, 64) if name in SENSOR_MODELS else (2, 1, 28, 28)
    batch = torch.rand(shape, generator=torch.Generator().manual_seed(1))
    assert torch.equal(begun.eval()(batch), loaded.eval()(batch))
    # What no state holds must be there as well.
    kept = dict(begun.state_dict())
    pairs = zip(loaded.named_buffers(), begun.named_buffers(), strict=True)
    for (buffer, mine), (_, theirs) in pairs:
        assert buffer in kept or torch.equal(mine, theirs)


def test_a_model_that_is_to_be_loaded_draws_nothing() -> None:
    generator = torch.random.get_rng_state()
    before = torch.full((3,), 7.0)
    with catalogue._NothingDrawn():
        nn.init.uniform_(before)
        nn.init.normal_(before)
        nn.init.kaiming_uniform_(before[:, None], a=5**0.5)
        nn.init.trunc_normal_(torch.empty(2))
        nn.init.zeros_(torch.empty(2))
    assert before.tolist() == [7.0, 7.0, 7.0]
    assert torch.equal(torch.random.get_rng_state(), generator)


def test_truncated_weights_are_not_drawn_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn_again(*_: object) -> None:
        raise AssertionError("memory that is beyond the bounds is drawn again, and is as it was")

    usual, unlikely = torch.full((3,), 9.0), torch.full((3,), 9.0)
    with catalogue._NothingDrawn():
        with monkeypatch.context() as patched:
            patched.setattr(torch, "empty_like", drawn_again)
            nn.init.trunc_normal_(usual)
        nn.init.trunc_normal_(unlikely, mean=2.5, std=0.5)
    assert bool(torch.cat([usual, unlikely]).abs().le(2.0).all())


def test_a_builder_runs_no_code_but_the_runs() -> None:
    task = Task(3, Images(1, 8, 8), 4)
    build = catalogue.builder(4, ("cnn", "tests.models.small_net:Net"))
    for name in ("this:d", "/somewhere/net.py:Net", "json:loads", "other.module:Net", "none"):
        sys.modules.pop("this", None)
        with pytest.raises(SettingsError, match="expected one of the run's or of the table, cnn"):
            build(name, task, 0)
        assert "this" not in sys.modules
    assert build("resnet4", task, 0).head.out_features == 3
