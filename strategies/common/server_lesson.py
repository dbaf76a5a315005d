"""What a server's module learns in a round of the rows that clients sent."""

import copy
from collections.abc import Callable
from typing import TypeVar

import torch
from pydantic import Field
from torch import Tensor, nn

from strategies.common.samples import shuffled_batches
from strategies.common.settings import Settings
from strategies.common.training import Means
from strategies.common.update_rule import SGD, Group

Module = TypeVar("Module", bound=nn.Module)


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


def taught(
    module: Module,
    method: str,
    settings: ServerLessonSettings,
    num_rows: int,
    loss_of: Callable[[Module, Tensor], Tensor],
    order: torch.Generator,
) -> tuple[Module, float, tuple[str, ...]]:
    """Let a copy of a module learn; if that diverges the module stays, and a note says so.

    Parameters
    ----------
    module : nn.Module
        What learns; it is left as it is.
    method, settings : str, ServerLessonSettings
        How, and in whose table that stands.
    num_rows : int
        Rows of the round, at least one.
    loss_of : Callable[[nn.Module, Tensor], Tensor]
        Maps the copy and the numbers of some rows to their mean loss.
    order : torch.Generator
        Draws their order.

    Returns
    -------
    tuple[nn.Module, float, tuple[str, ...]]
        What learnt, its mean loss over all passes, and notes.
    """
    learner, means = copy.deepcopy(module), Means()
    rule = SGD([Group(list(learner.parameters()))])
    for _ in range(settings.server_epochs):
        for part in shuffled_batches(num_rows, settings.server_batch_size, order):
            loss = loss_of(learner, part)
            rule.forget_gradients()
            loss.backward()  # type: ignore[no-untyped-call]
            rule.step(settings.server_learning_rate)
            means.add({"loss": loss.item()}, len(part))
    loss_of_all = means.result()["loss"]
    if all(bool(parameter.isfinite().all()) for parameter in learner.parameters()):
        return learner, loss_of_all, ()
    note = (
        f"{method}: the server's training diverged at {method}.server-learning-rate="
        f"{settings.server_learning_rate:g} and was left out of this round; lower it"
    )
    return module, loss_of_all, (note,)
