"""A frozen model that answers questions through adapters and a client's head."""

from collections.abc import Callable, Iterable
from typing import final

import torch
from torch import Tensor, nn

from strategies.common.adapters.answers import answer_loss, worth
from strategies.common.adapters.attachment import Attachment, Delta
from strategies.common.adapters.backbone import Backbone
from strategies.common.adapters.reading import Batch, Reader
from strategies.common.adapters.sites import find_sites
from strategies.common.round import Evaluation


@final
class Answering:
    """A backbone with a client's head on it, and a place for adapters between them.

    A context manager: leaving it takes everything off the backbone again.

    Parameters
    ----------
    backbone : Backbone
        The frozen model.
    head : nn.Module
        (batch, features) to (batch, answers).
    """

    def __init__(self, backbone: Backbone, head: nn.Module) -> None:
        self._backbone, self._head = backbone, head
        self._attachment = Attachment(find_sites(backbone.module))

    def __enter__(self) -> "Answering":
        """Return it; hooks are there already, and do nothing yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Take the hooks off the backbone."""
        self._attachment.detach()

    def logits(self, batch: Batch, adapters: Iterable[Delta]) -> Tensor:
        """Answer a batch with given adapters, one per block.

        Returns
        -------
        Tensor
            (batch, answers); gradients reach adapters and head.
        """
        with self._attachment.using(adapters):
            features = self._backbone.features(batch.images, batch.tokens, batch.mask)
        logits: Tensor = self._head(features)
        return logits


@torch.no_grad()
def evaluate(reader: Reader, logits: Callable[[Batch], Tensor]) -> Evaluation:
    """Answer every question once.

    Parameters
    ----------
    reader : Reader
        The questions.
    logits : Callable[[Batch], Tensor]
        (batch, answers) of a batch.
    """
    right = loss = 0.0
    count = 0
    for batch in reader.ordered():
        answered = logits(batch)
        right += float(worth(answered, batch.labels, batch.scores).sum())
        loss += float(answer_loss(answered, batch.labels, batch.scores)) * len(batch)
        count += len(batch)
    return Evaluation(right, loss / count)
