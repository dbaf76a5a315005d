"""Texts as a pretrained model reads them: tokens of one length, cut where they are too long."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from strategies.common.adapters.backbone import Questions

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def tokenise(
    tokenizer: "PreTrainedTokenizerBase",
    texts: Sequence[str],
    limit: int,
    *,
    appended: tuple[int, ...] = (),
    to_limit: bool = False,
) -> Questions:
    """Turn texts into tokens with the marks that the model expects around them.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        The model's own; it puts one mark at the end of a text.
    texts : Sequence[str]
        What is read.
    limit : int
        Most tokens of a text, marks and appended tokens among them.
    appended : tuple[int, ...]
        Tokens between every text and its closing mark; a cut spares them.
    to_limit : bool
        Pad to the limit in place of the longest text.
    """
    if not texts:
        empty = torch.zeros(0, limit, dtype=torch.int64)
        return Questions(empty, empty.clone(), 0)
    whole = tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]
    room = limit - len(appended)
    num_cut = sum(len(row) > room for row in whole)
    if num_cut:
        cut = tokenizer(list(texts), truncation=True, max_length=room, verbose=False)
        whole = cut["input_ids"]
    rows = [[*row[:-1], *appended, row[-1]] for row in whole]
    width = limit if to_limit else max(len(row) for row in rows)
    tokens = torch.full((len(rows), width), _padding(tokenizer), dtype=torch.int64)
    mask = torch.zeros_like(tokens)
    for index, row in enumerate(rows):
        tokens[index, : len(row)] = torch.tensor(row)
        mask[index, : len(row)] = 1
    return Questions(tokens, mask, num_cut)


def _padding(tokenizer: "PreTrainedTokenizerBase") -> int:
    # Masked wherever it stands, so that any token will do where a tokenizer names none.
    return 0 if tokenizer.pad_token_id is None else int(tokenizer.pad_token_id)
