"""One round of local training on questions, and what must have come of it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Generic, TypeVar, final

import torch
from torch import Tensor, nn

from strategies.common.adapters.answers import answer_loss
from strategies.common.adapters.optimisation import adapter_optimiser
from strategies.common.adapters.reading import Batch, Reader, cut_note, steps_of_round
from strategies.common.adapters.settings import AdapterSettings
from strategies.common.device import AdapterDevice
from strategies.common.errors import ModelError
from strategies.common.optimiser import Optimiser
from strategies.common.payload import Payload
from strategies.common.round import Trained
from strategies.common.training import fit

Uplink = TypeVar("Uplink", bound=Payload)

# Takes the steps that a batch asks for, and returns its losses by name.
Lesson = Callable[[Batch, Optimiser], Mapping[str, float]]


@final
@dataclass(frozen=True)
class Tuning(Generic[Uplink]):
    """What one client does in one round.

    Attributes
    ----------
    moving : Mapping[str, Sequence[nn.Parameter]]
        Adapters by what they are called; each must have moved when the round is over.
    lesson : Lesson
        Of a batch; all its steps are of one size.
    uplink : Callable[[], Uplink | None]
        Called after the local epochs for what is sent.
    compute : float
        Multiple of the local epochs, for comparisons at equal compute.
    """

    moving: Mapping[str, Sequence[nn.Parameter]]
    lesson: Lesson
    uplink: Callable[[], Uplink | None]
    compute: float = 1.0


def tune(
    device: AdapterDevice, settings: AdapterSettings, head: nn.Module, tuning: Tuning[Uplink]
) -> Trained[Uplink]:
    """Run the local epochs of one round, one lesson per batch.

    Parameters
    ----------
    device : AdapterDevice
        Gives samples, batch size, local epochs and their order.
    settings : AdapterSettings
        How adapters and head are trained.
    head : nn.Module
        The client's own, which may move as well.
    tuning : Tuning
        What is learnt and sent.

    Raises
    ------
    ModelError
        If a loss is no longer finite, or an adapter did not move.
    """
    before = {name: _vector(own) for name, own in tuning.moving.items()}
    steps = steps_of_round(device, tuning.compute)
    moving = chain(*tuning.moving.values(), head.parameters())
    optimiser = adapter_optimiser(moving, settings, device, steps)
    reader = Reader(device.backbone, device.train, device.torch_device)
    batches = reader.shuffled(device.settings.batch_size, steps, device.generator("batches"))

    def lesson(batch: Batch) -> Mapping[str, float]:
        found = tuning.lesson(batch, optimiser)
        optimiser.advance()
        return found

    losses = fit(batches, lesson, "adapters.learning-rate", settings.learning_rate)
    for name, own in tuning.moving.items():
        require_movement(name, before[name], _vector(own))
    return Trained(tuning.uplink(), losses, notes=cut_note(reader))


def answer_lesson(logits: Callable[[Batch], Tensor]) -> Lesson:
    """Return the plain lesson: one step down the loss of the answers.

    Parameters
    ----------
    logits : Callable[[Batch], Tensor]
        (batch, answers) of a batch.
    """

    def lesson(batch: Batch, optimiser: Optimiser) -> Mapping[str, float]:
        loss = answer_loss(logits(batch), batch.labels, batch.scores)
        optimiser.step(loss)
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


def _vector(parameters: Iterable[nn.Parameter]) -> Tensor:
    return nn.utils.parameters_to_vector(parameters).detach()
