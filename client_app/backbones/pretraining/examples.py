"""Pictures with words left out, and the words that belong there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor

from client_app.backbones.tokenising import tokenise
from strategies.common.adapters.backbone import Questions

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@final
@dataclass(frozen=True)
class Gaps:
    """Texts with gaps.

    Attributes
    ----------
    tokens, mask : Tensor
        (texts, tokens) int64, as a backbone reads them; a gap is a [MASK].
    asked : Tensor
        (texts, tokens) bool, where a word is to be guessed.
    words : Tensor
        (gaps,) int64, the right words in reading order.
    """

    tokens: Tensor
    mask: Tensor
    asked: Tensor
    words: Tensor


def masked_captions(
    captions: Sequence[str],
    tokenizer: "PreTrainedTokenizerBase",
    masked_share: float,
    generator: torch.Generator,
) -> Gaps:
    """Mask words of captions: each with one chance, and one of each caption in any case."""
    read = tokenise(tokenizer, captions, tokenizer.model_max_length)
    ordinary = ~torch.isin(read.tokens, torch.tensor(tokenizer.all_special_ids))
    draws = torch.rand(read.tokens.shape, generator=generator).where(ordinary, 2.0)
    asked = (draws < masked_share) | (draws == draws.amin(dim=1, keepdim=True))
    return _with_gaps(read, asked, read.tokens[asked], tokenizer)


def masked_answers(
    questions: Sequence[str], answers: Sequence[str], tokenizer: "PreTrainedTokenizerBase"
) -> Gaps:
    """Put a gap at the end of every question, where its answer of one word belongs."""
    gap = int(tokenizer.mask_token_id)
    read = tokenise(tokenizer, questions, tokenizer.model_max_length, appended=(gap,))
    words = torch.tensor(tokenizer.convert_tokens_to_ids(list(answers)))
    return _with_gaps(read, read.tokens == gap, words, tokenizer)


def _with_gaps(
    read: Questions, asked: Tensor, words: Tensor, tokenizer: "PreTrainedTokenizerBase"
) -> Gaps:
    tokens = read.tokens.masked_fill(asked, int(tokenizer.mask_token_id))
    return Gaps(tokens, read.mask, asked, words)
