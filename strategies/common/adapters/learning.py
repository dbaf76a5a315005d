"""One round of local training on questions, and what must have come of it."""

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

from strategies.common.adapters.answers import answer_loss
from strategies.common.adapters.optimisation import Optimiser
from strategies.common.adapters.reading import Batch
from strategies.common.errors import ModelError
from strategies.common.training import refuse_divergence


def learn(
    batches: Iterable[Batch],
    lesson: Callable[[Batch], Mapping[str, float]],
    learning_rate: float,
) -> dict[str, float]:
    """Give one lesson per batch.

    Parameters
    ----------
    batches : Iterable[Batch]
        At least one.
    lesson : Callable[[Batch], Mapping[str, float]]
        Learns from a batch and returns its losses by name.
    learning_rate : float
        For the error message.

    Returns
    -------
    dict[str, float]
        Mean of each loss over the samples seen.

    Raises
    ------
    ModelError
        If a loss is no longer finite.
    """
    sums: dict[str, float] = {}
    seen = 0
    for batch in batches:
        for name, loss in lesson(batch).items():
            sums[name] = sums.get(name, 0.0) + loss * len(batch)
        seen += len(batch)
    means = {name: total / seen for name, total in sums.items()}
    refuse_divergence(means, "adapters.learning-rate", learning_rate)
    return means


def answer_lesson(
    logits: Callable[[Batch], Tensor], optimiser: Optimiser
) -> Callable[[Batch], Mapping[str, float]]:
    """Return the plain lesson: one step down the loss of the answers.

    Parameters
    ----------
    logits : Callable[[Batch], Tensor]
        (batch, answers) of a batch.
    optimiser : Optimiser
        Of all that is trained.
    """

    def lesson(batch: Batch) -> Mapping[str, float]:
        loss = answer_loss(logits(batch), batch.labels, batch.scores)
        optimiser.step(loss)
        optimiser.advance()
        return {"answer": loss.item()}

    return lesson


def require_movement(role: str, before: Tensor, after: Tensor) -> None:
    """Refuse to go on with an adapter that did not learn, or learnt no numbers.

    Raises
    ------
    ModelError
        Naming the adapter.
    """
    if not bool(torch.isfinite(after).all()):
        raise ModelError(f"the {role} adapter is no longer finite; lower adapters.learning-rate")
    if torch.equal(before, after):
        raise ModelError(
            f"the {role} adapter did not move in this round; raise adapters.learning-rate"
        )
