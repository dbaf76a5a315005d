"""All that decides which weights pretraining ends with, data and libraries apart."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from torch import nn

from client_app.backbones import vilt
from client_app.data.digitgrid import questions
from strategies.common import seeds

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, ViltForMaskedLM

IMAGE_SIZE = 32
TEXT_LIMIT = 16
# Near the inverse square root of the width, which is a tenth of that for which the library's
# 0.02 was chosen.
_WEIGHT_DEVIATION = 0.1
# As large as what a patch itself adds; the library starts at zero, where all places are alike.
_PLACE_DEVIATION = 0.5
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@final
@dataclass(frozen=True)
class Recipe:
    """A course of pretraining.

    Attributes
    ----------
    seed : int
        Root of every draw.
    steps : int
        Optimiser steps, by turns on questions whose answer is masked and on captions with
        masked words: captions teach what is where, questions what is asked for.
    batch_size : int
        Pictures per step.
    learning_rate : float
        Peak of AdamW's step size, reached after ``warmup_steps``; it falls to zero in half
        a cosine.
    warmup_steps : int
        Steps over which it rises.
    weight_decay : float
        Of matrices; vectors are not decayed.
    masked_share : float
        Chance of a caption's word to be masked; one always is.
    """

    seed: int = 0
    steps: int = 12_000
    batch_size: int = 32
    learning_rate: float = 1e-3
    warmup_steps: int = 200
    weight_decay: float = 0.01
    masked_share: float = 0.3


def new_tokenizer() -> "PreTrainedTokenizerBase":
    """Make a tokenizer of the words that captions, questions and answers consist of."""
    from transformers import BertTokenizer  # noqa: PLC0415

    words = (*_SPECIAL, *questions.WORDS)
    vocabulary = {word: number for number, word in enumerate(words)}
    return BertTokenizer(vocab=vocabulary, model_max_length=TEXT_LIMIT)


def new_model(recipe: Recipe, vocabulary_size: int) -> "ViltForMaskedLM":
    """Make the tiny ViLT with random weights, and the head that guesses masked words."""
    from transformers import ViltConfig, ViltForMaskedLM  # noqa: PLC0415

    configuration = ViltConfig(
        vocab_size=vocabulary_size,
        hidden_size=64,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=128,
        image_size=IMAGE_SIZE,
        patch_size=8,
        max_position_embeddings=TEXT_LIMIT,
        pad_token_id=0,
        initializer_range=_WEIGHT_DEVIATION,
    )
    setattr(configuration, vilt.READOUT_KEY, vilt.READOUT_MASK)
    with seeds.seeded(seeds.derive(recipe.seed, "pretraining weights")):
        model = ViltForMaskedLM(configuration)
        nn.init.normal_(model.vilt.embeddings.position_embeddings, std=_PLACE_DEVIATION)
    return model
