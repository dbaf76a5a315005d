from pathlib import Path

import pytest
import tiny_backbones as tiny
import torch
from torch import Tensor, nn

from client_app.backbones import loading
from strategies.common.adapters.backbone import Backbone
from strategies.common.errors import DataError

CPU = torch.device("cpu")
TEXTS = ["what colour is the digit ?", "red ?"]
ALL = ("vilt", "masked", "clip", "siglip", "blip")


def opened(folder: Path, family: str) -> Backbone:
    return loading.load(f"folder:{tiny.save(folder, family)}", CPU, folder)


def features(backbone: Backbone, texts: list[str] = TEXTS) -> Tensor:
    asked = backbone.read(texts)
    return backbone.features(tiny.pictures(len(texts)), asked.tokens, asked.mask)


@pytest.mark.parametrize("family", ALL)
def test_features_repeat_bit_for_bit_and_draw_from_no_global_generator(
    family: str, tmp_path: Path
) -> None:
    before = torch.get_rng_state()
    backbone = opened(tmp_path, family)
    first = features(backbone)
    assert torch.equal(first, features(backbone))
    assert torch.equal(before, torch.get_rng_state())
    assert first.shape == (2, backbone.feature_dim)
    assert first.dtype == torch.float32


@pytest.mark.parametrize("family", ALL)
def test_a_backbone_is_frozen_and_evaluates(family: str, tmp_path: Path) -> None:
    module = opened(tmp_path, family).module
    assert not any(weights.requires_grad for weights in module.parameters())
    assert {weights.dtype for weights in module.parameters()} == {torch.float32}
    assert not any(part.training for part in module.modules())


@pytest.mark.parametrize("family", ALL)
def test_features_depend_on_image_and_question(family: str, tmp_path: Path) -> None:
    backbone = opened(tmp_path, family)
    asked = backbone.read(["red ?", "blue ?"])
    images = tiny.pictures(2)
    first = torch.zeros(2, dtype=torch.int64)
    of_words = backbone.features(images[first], asked.tokens, asked.mask)
    of_images = backbone.features(images, asked.tokens[first], asked.mask[first])
    assert (of_words[0] - of_words[1]).abs().max() > 1e-3
    assert (of_images[0] - of_images[1]).abs().max() > 1e-3


@pytest.mark.parametrize("family", ALL)
def test_padding_changes_nothing(family: str, tmp_path: Path) -> None:
    backbone = opened(tmp_path, family)
    asked = backbone.read(["red ?"])
    alone = backbone.features(tiny.pictures(2)[:1], asked.tokens, asked.mask)
    together = features(backbone, ["red ?", "what colour is the digit ?"])[:1]
    assert torch.allclose(alone, together, atol=1e-5)


BLOCKS = {
    "vilt": ("encoder.layer.0",),
    "masked": ("encoder.layer.1",),
    "clip": ("vision_model.encoder.layers.0", "text_model.encoder.layers.0"),
    "siglip": ("vision_model.encoder.layers.0", "text_model.encoder.layers.0"),
    "blip": ("vision_model.encoder.layers.0", "text_encoder.encoder.layer.0"),
}


@pytest.mark.parametrize("family", ALL)
def test_gradients_reach_what_a_hook_adds_to_a_block(family: str, tmp_path: Path) -> None:
    backbone = opened(tmp_path, family)
    added = {name: nn.Parameter(torch.zeros(16)) for name in BLOCKS[family]}

    def hook(name: str) -> object:
        def add(_module: nn.Module, _inputs: object, output: Tensor | tuple[Tensor, ...]) -> object:
            if isinstance(output, tuple):
                return (output[0] + added[name], *output[1:])
            return output + added[name]

        return add

    handles = [
        backbone.module.get_submodule(name).register_forward_hook(hook(name)) for name in added
    ]
    torch.autograd.backward(features(backbone).pow(2).sum())
    for handle in handles:
        handle.remove()
    for weights in added.values():
        assert weights.grad is not None
        assert weights.grad.abs().sum() > 0
    assert all(weights.grad is None for weights in backbone.module.parameters())


@pytest.mark.parametrize("family", ALL)
def test_images_of_another_side_are_resized(family: str, tmp_path: Path) -> None:
    backbone = opened(tmp_path, family)
    asked = backbone.read(["red ?"])
    image = tiny.pictures(1, 2)
    large = image.repeat_interleave(8, dim=2).repeat_interleave(8, dim=3)
    small = large[:, :, ::2, ::2]
    enlarged = backbone.features(small, asked.tokens, asked.mask)
    assert enlarged.shape == (1, backbone.feature_dim)
    assert backbone.image_size == tiny.SIDE
    assert not torch.equal(enlarged, backbone.features(large, asked.tokens, asked.mask))


def test_images_that_are_not_raw_colour_are_refused(tmp_path: Path) -> None:
    backbone = opened(tmp_path, "vilt")
    asked = backbone.read(["red ?"])
    for wrong in (tiny.pictures(1).float(), tiny.pictures(1)[:, :1]):
        with pytest.raises(DataError, match=r"expected \(batch, 3, height, width\) of uint8"):
            backbone.features(wrong, asked.tokens, asked.mask)


def test_two_towers_give_both_embeddings_and_their_product(tmp_path: Path) -> None:
    backbone = opened(tmp_path, "clip")
    seen, read, product = features(backbone).chunk(3, dim=1)
    assert torch.allclose(product, seen * read)
    assert torch.allclose(seen.pow(2).mean(dim=1), torch.ones(2), atol=1e-5)
    # The mean of the product is what the model itself calls the cosine of image and text.
    asked = backbone.read(TEXTS)
    stock = backbone.module(
        input_ids=asked.tokens,
        attention_mask=asked.mask,
        pixel_values=backbone.normalisation.apply(tiny.pictures(2), tiny.SIDE),
    )
    cosines = (stock.logits_per_image / backbone.module.logit_scale.exp()).diagonal()
    assert torch.allclose(product.mean(dim=1), cosines, atol=1e-5)


def test_siglip_reads_texts_filled_up_to_its_limit(tmp_path: Path) -> None:
    asked = opened(tmp_path, "siglip").read(["red ?"])
    assert asked.tokens.tolist() == [[tiny.CLS, 10, 12, tiny.SEP] + 6 * [tiny.PAD]]


def test_blip_agrees_with_the_encoder_of_the_library(tmp_path: Path) -> None:
    from transformers import BlipForQuestionAnswering

    backbone = opened(tmp_path, "blip")
    stock = BlipForQuestionAnswering.from_pretrained(tmp_path)
    kept: list[Tensor] = []
    stock.text_encoder.register_forward_hook(
        lambda _module, _inputs, output: kept.append(output[0])
    )
    asked = backbone.read(TEXTS)
    stock(
        input_ids=asked.tokens,
        attention_mask=asked.mask,
        pixel_values=backbone.normalisation.apply(tiny.pictures(2), tiny.SIDE),
        decoder_input_ids=asked.tokens,
    )
    assert torch.allclose(features(backbone), kept[0][:, 0], atol=1e-6)
    assert not hasattr(backbone.module, "text_decoder")
