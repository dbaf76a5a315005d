"""Weights that models start from: what fits is loaded, and what does not is told or refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import safetensors.torch
import torch
from torch import Tensor
from torchvision.models import VisionTransformer, mobilenet_v2, resnet18
from torchvision.models._api import WeightsEnum

from models import catalogue, weights
from strategies.common.errors import ModelError, SettingsError
from strategies.common.inputs import Images
from strategies.common.model import FeatureModel
from strategies.common.task import Task

Publish = Callable[[dict[str, Tensor]], None]


def built(name: str, channels: int = 3, side: int = 32, classes: int = 10) -> FeatureModel:
    return catalogue.build(name, Task(classes, Images(channels, side, side), 0), 0, seed=1)


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch) -> Publish:
    """Return what takes the place of torchvision's cache and of the network."""

    def put(state: dict[str, Tensor]) -> None:
        def found(self: WeightsEnum, **options: Any) -> dict[str, Tensor]:
            assert (options["weights_only"], options["check_hash"]) == (True, True)
            return state

        monkeypatch.setattr(WeightsEnum, "get_state_dict", found)

    return put


def test_published_weights_replace_all_but_the_head(publish: Publish) -> None:
    state = resnet18().state_dict()
    publish(state)
    fresh, model = built("resnet18"), built("resnet18")
    told = weights.load(model, "resnet18", "torchvision")
    assert told == (
        "resnet18 starts from torchvision's ResNet18_Weights.IMAGENET1K_V1, its head fresh",
    )
    body = model.body.state_dict()
    assert set(body) == {key for key in state if not key.startswith("fc.")}
    assert all(torch.equal(value, state[key]) for key, value in body.items())
    assert torch.equal(model.head.weight, fresh.head.weight)


@pytest.mark.parametrize(("channels", "side"), [(3, 27), (4, 32)])
def test_a_first_convolution_of_another_shape_stays_fresh_and_is_told(
    publish: Publish, channels: int, side: int
) -> None:
    publish(resnet18().state_dict())
    fresh, model = (built("resnet18", channels, side) for _ in range(2))
    (told,) = weights.load(model, "resnet18", "torchvision")
    assert told.endswith("its head, conv1.weight fresh")
    first = [dict(one.named_parameters())["body.conv1.weight"] for one in (model, fresh)]
    assert torch.equal(*first)


def test_grey_images_are_seen_as_they_would_be_in_three_colours(publish: Publish) -> None:
    state = mobilenet_v2().state_dict()
    publish(state)
    grey, coloured = built("mobilenet_v2", 1, 16), built("mobilenet_v2", 3, 16)
    (told,) = weights.load(grey, "mobilenet_v2", "torchvision")
    assert told.endswith("its head fresh; features.0.0.weight summed over colours")
    weights.load(coloured, "mobilenet_v2", "torchvision")
    images = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    features = coloured.eval().features(images.expand(2, 3, 16, 16))
    torch.testing.assert_close(grey.eval().features(images), features)


def test_a_transformers_positions_are_resampled() -> None:
    from torchvision.models.vision_transformer import interpolate_embeddings

    with torch.device("meta"):
        published = VisionTransformer(224, 16, 1, 1, 4, 4).state_dict()
    positions = torch.rand(1, 197, 4, generator=torch.Generator().manual_seed(1))
    expected = interpolate_embeddings(
        64, 16, {**published, "encoder.pos_embedding": positions.clone()}
    )["encoder.pos_embedding"]
    fresh = torch.zeros(1, 17, 4)
    found, told = weights._adapted("encoder.pos_embedding", positions, fresh)
    assert found is not None
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert told == "encoder.pos_embedding resampled to 16 patches"


def test_models_without_published_weights_stay_fresh_and_say_so() -> None:
    fresh, model = built("cnn"), built("cnn")
    told = weights.load(model, "cnn", "torchvision")
    assert told == ("cnn starts from fresh weights: torchvision has none for it",)
    assert all(map(torch.equal, model.state_dict().values(), fresh.state_dict().values()))


def test_every_model_with_published_weights_is_known_to_torchvision() -> None:
    from torchvision.models import get_model_weights

    assert set(weights.PUBLISHED) <= set(catalogue.MODELS)
    assert all(get_model_weights(name).DEFAULT.url for name in weights.PUBLISHED)


def test_without_cache_and_network_it_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", offline)
    with pytest.raises(ModelError) as caught:
        weights.load(built("resnet18"), "resnet18", "torchvision")
    assert f"expected a whole {tmp_path}/checkpoints/resnet18-" in str(caught.value)
    assert "no network" in str(caught.value)
    assert "python -c 'from torchvision.models import ResNet18_Weights as W" in str(caught.value)


def keep(path: Path, state: dict[str, Tensor]) -> str:
    if path.suffix == ".safetensors":
        safetensors.torch.save_file(state, path)
    else:
        torch.save(state, path)
    return str(path)


@pytest.mark.parametrize("form", ["whole", "body", "kept"])
@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_a_file_holds_a_models_own_state(tmp_path: Path, form: str, suffix: str) -> None:
    given = catalogue.build("cnn", Task(10, Images(3, 32, 32), 0), 0, seed=2)
    states = {
        "whole": given.state_dict(),
        "body": given.body.state_dict(),
        "kept": {f"model/{k}": v for k, v in given.state_dict().items()}
        | {"moments/0": torch.ones(1)},
    }
    model = built("cnn")
    file = keep(tmp_path / f"cnn{suffix}", states[form])
    left = ", its head fresh" if form == "body" else ""
    assert weights.load(model, "cnn", file) == (f"cnn starts from {file}{left}",)
    expected = given if form != "body" else given.body
    loaded = model if form != "body" else model.body
    assert all(map(torch.equal, loaded.state_dict().values(), expected.state_dict().values()))


def test_a_head_of_other_classes_stays_fresh(tmp_path: Path) -> None:
    file = keep(tmp_path / "cnn.pt", built("cnn", classes=7).state_dict())
    assert weights.load(built("cnn"), "cnn", file) == (f"cnn starts from {file}, its head fresh",)


def test_each_model_finds_its_own_file(tmp_path: Path) -> None:
    keep(tmp_path / "resnet4.pt", built("resnet4").state_dict())
    named = str(tmp_path / "{model}.pt")
    assert weights.load(built("resnet4"), "resnet4", named)[0].endswith("resnet4.pt")
    (told,) = weights.load(built("cnn"), "cnn", named)
    assert told == f"cnn starts from fresh weights: there is no {tmp_path / 'cnn.pt'}"
    with pytest.raises(ModelError, match=r"expected the file .*cnn\.safetensors on this device"):
        weights.load(built("cnn"), "cnn", str(tmp_path / "{model}.safetensors"))


class Trap:
    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        return pytest.fail, ("a file of weights ran code",)


def altered(change: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
    """Return a state of which every floating-point tensor is changed."""
    state = built("cnn").state_dict()
    return {k: change(v) if v.is_floating_point() else v for k, v in state.items()}


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (lambda: built("resnet4").state_dict(), r"found it to differ in body\..* and \d+ more"),
        (lambda: built("cnn", side=16).state_dict(), "found it to differ in body"),
        (lambda: {"epoch": 3}, "got a dict with other things in it; save model.state_dict"),
        (lambda: {"body.0.weight": Trap()}, "to be readable without running code"),
        (lambda: {1: torch.ones(1)}, "got a dict with other things in it; save model.state_dict"),
        # Torch would load each of these without a word.
        (lambda: altered(lambda value: value * torch.nan), "expected .* finite numbers .* body"),
        (lambda: altered(lambda value: value.long()), "of the kind that the model .* body"),
        (lambda: altered(lambda value: value.to(torch.complex64)), "of the kind that the model"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(
    tmp_path: Path, state: Callable[[], dict[str, Any]], told: str
) -> None:
    file = keep(tmp_path / "other.pt", state())
    with pytest.raises(ModelError, match=told):
        weights.load(built("cnn"), "cnn", file)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("torchvision", r"a model that torchvision has weights for, got cnn, resnet4; add one of"),
        ("imagenet", r"expected nothing, 'torchvision' or a file that ends in \.safetensors"),
    ],
)
def test_a_setting_that_no_model_can_take_is_refused(given: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        weights.check(given, ("cnn", "resnet4"))


@pytest.mark.parametrize("given", ["", "torchvision", "~/{model}.safetensors", "a.pt", "b.pth"])
def test_forms_of_the_setting(given: str) -> None:
    weights.check(given, ("cnn", "resnet18"))
