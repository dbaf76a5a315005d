"""One round of local training on questions, and what must have come of it."""

from collections.abc import Callable, Iterable, Mapping
from typing import final

import torch
from torch import Tensor, nn

from strategies.common.adapters.answers import answer_loss
from strategies.common.adapters.optimisation import Optimiser
from strategies.common.adapters.reading import Batch, Reader, cut_note, steps_of_round
from strategies.common.adapters.settings import AdapterSettings
from strategies.common.device import AdapterDevice
from strategies.common.errors import ModelError
from strategies.common.training import Means, refuse_divergence


@final
class LocalLessons:
    """What one client learns from in one round, and the steps that it takes.

    Parameters
    ----------
    device : AdapterDevice
        Gives samples, batch size, local epochs and their order.
    settings : AdapterSettings
        How adapters are trained.
    moving : Iterable[nn.Parameter]
        What may move.
    compute : float
        Multiple of the local epochs, for comparisons at equal compute.

    Attributes
    ----------
    optimiser : Optimiser
        Of all that may move.
    """

    def __init__(
        self,
        device: AdapterDevice,
        settings: AdapterSettings,
        moving: Iterable[nn.Parameter],
        compute: float = 1.0,
    ) -> None:
        steps = steps_of_round(device, compute)
        self.optimiser = Optimiser(moving, settings, device, steps)
        self._learning_rate = settings.learning_rate
        self._reader = Reader(device.backbone, device.train, device.torch_device)
        self._batches = self._reader.shuffled(
            device.settings.batch_size, steps, device.generator("batches")
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of the samples."""
        return cut_note(self._reader)

    def give(self, lesson: Callable[[Batch], Mapping[str, float]]) -> dict[str, float]:
        """Give one lesson per batch.

        Parameters
        ----------
        lesson : Callable[[Batch], Mapping[str, float]]
            Learns from a batch and returns its losses by name.

        Returns
        -------
        dict[str, float]
            Mean of each loss over the samples seen.

        Raises
        ------
        ModelError
            If a loss is no longer finite.
        """
        means = Means()
        for batch in self._batches:
            means.add(lesson(batch), len(batch))
        found = means.result()
        refuse_divergence(found, "adapters.learning-rate", self._learning_rate)
        return found


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
