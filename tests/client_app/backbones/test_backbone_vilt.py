from pathlib import Path

import pytest
import tiny_backbones as tiny
import torch

from client_app.backbones import loading, vilt
from strategies.common.errors import ModelError

CPU = torch.device("cpu")
TEXTS = ["what colour is the digit ?", "red ?"]


def test_hidden_states_are_the_librarys_up_to_its_order_of_patches(tmp_path: Path) -> None:
    from transformers import ViltModel

    backbone = loading.load(f"folder:{tiny.save(tmp_path, 'vilt')}", CPU, tmp_path)
    stock = ViltModel.from_pretrained(tmp_path).eval()
    asked = backbone.read(TEXTS)
    inputs = backbone.normalisation.apply(tiny.pictures(2), tiny.SIDE)
    with torch.no_grad():
        ours, pooled = vilt.run(backbone.module, inputs, asked.tokens, asked.mask)
        theirs = stock(asked.tokens, attention_mask=asked.mask, pixel_values=inputs)
    places = asked.tokens.shape[1] + 1  # words and the image's class token keep their places
    expected = theirs.last_hidden_state
    # The library draws the order of patches anew in each call, and sums round with the order.
    assert torch.allclose(ours[:, :places], expected[:, :places], atol=1e-5)
    assert pooled is not None
    assert torch.allclose(pooled, theirs.pooler_output, atol=1e-5)
    # Sorted along the patches, their values are the same whatever the order.
    ordered, shuffled = ours[:, places:].sort(dim=1), expected[:, places:].sort(dim=1)
    assert torch.allclose(ordered.values, shuffled.values, atol=1e-5)


def test_published_features_are_the_poolers(tmp_path: Path) -> None:
    backbone = loading.load(f"folder:{tiny.save(tmp_path, 'vilt')}", CPU, tmp_path)
    asked = backbone.read(TEXTS)
    assert asked.tokens[1].tolist() == [tiny.CLS, 10, 12, tiny.SEP, *4 * [tiny.PAD]]
    assert asked.mask[1].tolist() == [1, 1, 1, 1, 0, 0, 0, 0]
    features = backbone.features(tiny.pictures(2), asked.tokens, asked.mask)
    inputs = backbone.normalisation.apply(tiny.pictures(2), tiny.SIDE)
    hidden, _ = vilt.run(backbone.module, inputs, asked.tokens, asked.mask)
    assert torch.equal(features, backbone.module.pooler(hidden))


def test_mask_features_are_the_hidden_states_at_the_appended_mask(tmp_path: Path) -> None:
    backbone = loading.load(f"folder:{tiny.save(tmp_path, 'masked')}", CPU, tmp_path)
    asked = backbone.read(TEXTS)
    assert asked.tokens[1].tolist() == [2, 10, 12, tiny.MASK, tiny.SEP, *4 * [tiny.PAD]]
    inputs = backbone.normalisation.apply(tiny.pictures(2), tiny.SIDE)
    hidden, pooled = vilt.run(backbone.module, inputs, asked.tokens, asked.mask)
    features = backbone.features(tiny.pictures(2), asked.tokens, asked.mask)
    assert pooled is None
    assert torch.equal(features, torch.stack([hidden[0, 7], hidden[1, 3]]))


def test_a_mask_in_a_question_is_not_taken_for_the_appended_one(tmp_path: Path) -> None:
    backbone = loading.load(f"folder:{tiny.save(tmp_path, 'masked')}", CPU, tmp_path)
    asked = backbone.read(["the [MASK] ?"])
    inputs = backbone.normalisation.apply(tiny.pictures(1), tiny.SIDE)
    hidden, _ = vilt.run(backbone.module, inputs, asked.tokens, asked.mask)
    assert asked.tokens[0].tolist() == [2, 8, tiny.MASK, 12, tiny.MASK, tiny.SEP]
    features = backbone.features(tiny.pictures(1), asked.tokens, asked.mask)
    assert torch.equal(features[0], hidden[0, 4])


def test_long_questions_are_cut_and_counted_and_keep_their_mask(tmp_path: Path) -> None:
    backbone = loading.load(f"folder:{tiny.save(tmp_path, 'masked')}", CPU, tmp_path)
    # Ten positions: seven words fit beside [CLS], [MASK] and [SEP].
    asked = backbone.read(["red " * 7, "red " * 8, "blue " * 30])
    assert asked.num_cut == 2
    assert asked.tokens.shape == (3, 10)
    assert (asked.tokens[:, 8:] == torch.tensor([tiny.MASK, tiny.SEP])).all()
    assert asked.tokens[2].tolist() == [2, *7 * [11], tiny.MASK, tiny.SEP]


def test_without_an_appended_mask_one_more_word_fits(tmp_path: Path) -> None:
    backbone = loading.load(f"folder:{tiny.save(tmp_path, 'vilt')}", CPU, tmp_path)
    asked = backbone.read(["red " * 8, "red " * 9])
    assert asked.num_cut == 1
    assert (asked.tokens[:, 9] == tiny.SEP).all()


def test_no_texts_give_no_rows(tmp_path: Path) -> None:
    backbone = loading.load(f"folder:{tiny.save(tmp_path, 'vilt')}", CPU, tmp_path)
    assert len(backbone.read([]).tokens) == 0


def test_an_unknown_readout_is_refused(tmp_path: Path) -> None:
    tiny.save(tmp_path, "vilt", readout="first")
    with pytest.raises(ModelError, match="expected readout to be mask or pooler, got 'first'"):
        loading.load(f"folder:{tmp_path}", CPU, tmp_path)
