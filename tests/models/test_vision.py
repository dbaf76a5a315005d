"""torchvision's networks: unchanged where they are large, workable where they are small."""

import pytest
import torch
from torch import nn

from models import catalogue, vision
from strategies.common.inputs import Images
from strategies.common.task import Task


@pytest.mark.parametrize(
    ("name", "size"),
    # DeiT-Ti's patches are kept above 64 pixels only.
    [
        *((name, size) for name in ("resnet18", "googlenet", "mobilenet_v2") for size in (28, 96)),
        ("vit_tiny", 96),
    ],
)
def test_large_images_have_torchvisions_own_features(name: str, size: int) -> None:
    from torchvision import models

    reference: nn.Module
    if name == "googlenet":
        reference = models.googlenet(weights=None, aux_logits=False, init_weights=False)
    elif name == "vit_tiny":
        # DeiT-Ti: 12 layers, 3 heads, 192 wide, patches of 16 pixels.
        reference = models.VisionTransformer(96, 16, 12, 3, 192, 768)
    else:
        reference = getattr(models, name)(weights=None)
    last = {"mobilenet_v2": "classifier", "vit_tiny": "heads"}.get(name, "fc")
    setattr(reference, last, nn.Identity())
    network = getattr(vision, name)(Images(3, size, size)).network
    ours = network.state_dict()
    network.load_state_dict(dict(zip(ours, reference.state_dict().values(), strict=True)))
    inputs = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    # Evaluation mode, because torchvision's GoogLeNet has dropout in front of its head.
    torch.testing.assert_close(network.eval()(inputs), reference.eval()(inputs))


@pytest.mark.parametrize("name", ["googlenet", "mobilenet_v2"])
def test_features_are_not_random(name: str) -> None:
    network = getattr(vision, name)(Images(1, 8, 8)).network.train()
    inputs = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(network(inputs), network(inputs), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("size", "patch", "tokens"),
    # Tokens are the patches and one class token; 28 pixels are framed to 28 = 7 * 4,
    # 30 to 32, 50 to 56, and 100 to 112.
    [
        *((8, 2, 17), (16, 2, 65), (28, 4, 50), (30, 4, 65), (32, 4, 65)),
        *((50, 8, 50), (64, 8, 65), (65, 16, 26), (100, 16, 50), (224, 16, 197)),
    ],
)
def test_vit_tiny_suits_its_patches_to_the_image(size: int, patch: int, tokens: int) -> None:
    with torch.device("meta"):
        network = vision.vit_tiny(Images(3, size, size)).network
    parameters = dict(network.named_parameters())
    assert parameters["1.conv_proj.weight"].shape == (192, 3, patch, patch)
    assert parameters["1.encoder.pos_embedding"].shape == (1, tokens, 192)


def test_a_transformers_image_is_framed_evenly() -> None:
    with torch.device("meta"):
        network = vision.vit_b_16(Images(1, 28, 40)).network
    assert isinstance(network, nn.Sequential)
    framed = network[0](torch.ones(1, 1, 28, 40))
    # 40 columns need three patches, 48; so 10 rows above and below, 4 columns either side.
    assert framed.shape == (1, 1, 48, 48)
    assert framed.sum() == 28 * 40
    assert bool((framed[0, 0, 10:38, 4:44] == 1).all())


def test_grey_patches_start_like_coloured_ones() -> None:
    # torchvision's rule: standard deviation sqrt(1 / inputs of a patch), here 1 / 16.
    # It is cut at two, 32 deviations, so nothing is lost; 196,608 weights give 0.2 %.
    model = catalogue.build("vit_b_16", Task(10, Images(1, 32, 32), 0), 0, seed=1)
    projection = dict(model.named_parameters())
    assert projection["body.1.conv_proj.weight"].std().item() == pytest.approx(1 / 16, rel=0.01)
    assert not projection["body.1.conv_proj.bias"].any()


@pytest.mark.parametrize(("size", "kernel"), [(27, 3), (28, 7)])
def test_googlenets_first_convolution_starts_like_the_others(size: int, kernel: int) -> None:
    # 1,728 weights of standard deviation 0.01 are known to about 2 %, 9,408 to 1 %.
    model = catalogue.build("googlenet", Task(10, Images(3, size, size), 0), 0, seed=1)
    first = dict(model.named_parameters())["body.conv1.conv.weight"]
    assert first.shape == (64, 3, kernel, kernel)
    assert first.std().item() == pytest.approx(0.01, rel=0.08)


@pytest.mark.parametrize(
    ("name", "last", "size", "positions"),
    # Behind the stem ResNet halves three times (27-14-7-4), GoogLeNet pools three times
    # (27-13-6-3) and MobileNetV2 halves four times (27-14-7-4-2). Of 28 pixels the ImageNet
    # stem leaves 7 (14 in MobileNetV2), and the rest one position.
    [
        *(("resnet18", "layer4", size, at) for size, at in ((27, 4), (28, 1))),
        *(("googlenet", "inception5b", size, at) for size, at in ((27, 3), (28, 1))),
        *(("mobilenet_v2", "features", size, at) for size, at in ((27, 2), (28, 1))),
    ],
)
def test_small_images_are_not_shrunk_by_the_stem(
    name: str, last: str, size: int, positions: int
) -> None:
    shapes = []
    with torch.device("meta"):
        network = getattr(vision, name)(Images(1, size, size)).network
    network.get_submodule(last).register_forward_hook(
        lambda _, __, output: shapes.append(output.shape[2:])
    )
    network(torch.empty(2, 1, size, size, device="meta"))
    assert shapes == [(positions, positions)]
