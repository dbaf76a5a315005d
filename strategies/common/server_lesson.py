"""Servers with a module that learns, in each round, of the rows that clients sent."""

import copy
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar, final

import torch
from pydantic import Field
from torch import Tensor, nn

from strategies.common import seeds
from strategies.common.class_table import AnyRows, GatheredRows
from strategies.common.message import SendableState, SendingServer
from strategies.common.method import Downlink
from strategies.common.round import Aggregated, Reply
from strategies.common.samples import shuffled_batches
from strategies.common.settings import Settings
from strategies.common.training import Means
from strategies.common.update_rule import SGD, Group


class ServerLessonSettings(Settings):
    """How it learns.

    Attributes
    ----------
    server_epochs, server_batch_size : int
        Passes over all rows of a round, and rows per step.
    server_learning_rate : float
        Of plain SGD.
    """

    server_epochs: int = Field(ge=1)
    server_batch_size: int = Field(ge=1)
    server_learning_rate: float = Field(gt=0)


OwnSettings = TypeVar("OwnSettings", bound=ServerLessonSettings)


@final
@dataclass(frozen=True)
class ServerLesson:
    """What a module learns in a round.

    Attributes
    ----------
    module : nn.Module
        What learns; it is left as it is.
    loss_of : Callable[[nn.Module, Tensor, Tensor], Tensor]
        Maps a copy of it, rows (batch, width) and their classes (batch,) to their mean loss; all
        of it lies where the server computes.
    keep : Callable[[nn.Module, float], Mapping[str, float]]
        Puts what learnt into the state, and returns figures of it; beside it, the mean loss over
        all passes. No gradients are taken.
    """

    module: nn.Module
    loss_of: Callable[[nn.Module, Tensor, Tensor], Tensor]
    keep: Callable[[nn.Module, float], Mapping[str, float]]


class LessonServer(
    SendingServer[OwnSettings, SendableState, Downlink, AnyRows],
    Generic[OwnSettings, SendableState, Downlink, AnyRows],
):
    """Lets a module learn of all clients' rows, and sends what the state holds of it.

    Attributes
    ----------
    learner : str
        Name of the module, by which the order of the rows is drawn.
    """

    learner: ClassVar[str]

    @abstractmethod
    def lesson(self, state: SendableState, sent: GatheredRows) -> ServerLesson:
        """Return what is learnt of a round's rows, at least one."""

    def aggregate(
        self, state: SendableState, round_number: int, replies: Sequence[Reply[AnyRows]]
    ) -> Aggregated:
        """Take the steps of a round; without rows keep what there is.

        If they diverge, the module stays as it was, and a note says so.
        """
        sent = GatheredRows()
        sent.take(replies)
        if not len(sent.labels):
            return Aggregated()
        run, lesson = self.provided.run, self.lesson(state, sent)
        order = seeds.generator(run.seed, self.learner, round_number=round_number)
        learnt, loss = taught(lesson, sent, self.settings, order, self.provided.device)
        notes: tuple[str, ...] = ()
        if not all(bool(parameter.isfinite().all()) for parameter in learnt.parameters()):
            learnt = lesson.module.to(self.provided.device)
            notes = (
                f"{run.method}: the server's training diverged at {run.method}."
                f"server-learning-rate={self.settings.server_learning_rate:g} and was left out of "
                f"this round; lower it",
            )
        with torch.no_grad():
            return Aggregated(lesson.keep(learnt, loss), notes)


def taught(
    lesson: ServerLesson,
    sent: GatheredRows,
    settings: ServerLessonSettings,
    order: torch.Generator,
    device: torch.device,
) -> tuple[nn.Module, float]:
    """Let a copy of a module learn of some rows in the order that a generator draws.

    Returns
    -------
    tuple[nn.Module, float]
        What learnt, whatever came of it, and its mean loss over all passes.
    """
    learner, means = copy.deepcopy(lesson.module).to(device), Means()
    rows, labels = sent.rows.to(device), sent.labels.to(device)
    rule = SGD([Group(list(learner.parameters()))])
    for _ in range(settings.server_epochs):
        for part in shuffled_batches(len(rows), settings.server_batch_size, order):
            loss = lesson.loss_of(learner, rows[part], labels[part])
            rule.descend(loss, settings.server_learning_rate)
            means.add({"loss": loss.item()}, len(part))
    return learner, means.result()["loss"]
