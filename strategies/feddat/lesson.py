"""What a client of FedDAT learns from one batch: mutual knowledge distillation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from strategies.common.adapters.adapter_set import AdapterSet
from strategies.common.adapters.answering import Answering
from strategies.common.adapters.answers import answer_loss
from strategies.common.adapters.dual import DualAdapter
from strategies.common.adapters.reading import Batch
from strategies.common.distillation import distillation_loss
from strategies.common.optimiser import Optimiser
from strategies.feddat.settings import FedDATSettings


@final
@dataclass(frozen=True)
class MutualLesson:
    """Teaches the shared adapter and the client's own in turn (paper, section 3.3).

    Attributes
    ----------
    settings : FedDATSettings
        alpha, beta, T and the order of steps.
    answering : Answering
        Backbone and head.
    shared : AdapterSet
        A_s, to be trained and sent.
    teacher : DualAdapter
        Mean of the frozen copy of A_s and of A_c, of which A_c is trained.
    """

    settings: FedDATSettings
    answering: Answering
    shared: AdapterSet
    teacher: DualAdapter

    def __call__(self, batch: Batch, optimiser: Optimiser) -> Mapping[str, float]:
        """Learn from a batch and return the losses by name.

        Parameters
        ----------
        batch : Batch
            Questions.
        optimiser : Optimiser
            Of A_s, A_c and the head.
        """
        step = self._jointly if self.settings.joint_step else self._in_turn
        return step(batch, optimiser)

    def _in_turn(self, batch: Batch, optimiser: Optimiser) -> Mapping[str, float]:
        """Move A_s and the head towards the teacher, then A_c and the head towards A_s.

        The teacher's logits are those from before the first step, and A_s's as well.
        """
        taught = None
        if self.settings.alpha:
            with torch.no_grad():
                taught = self.answering.logits(batch, self.teacher)
        by_shared = self.answering.logits(batch, self.shared)
        shared = self._loss(batch, by_shared, taught, self.settings.alpha)
        optimiser.step(shared)
        by_teacher = self.answering.logits(batch, self.teacher)
        dual = self._loss(batch, by_teacher, by_shared, self.settings.beta)
        optimiser.step(dual)
        return {"shared": shared.item(), "teacher": dual.item()}

    def _jointly(self, batch: Batch, optimiser: Optimiser) -> Mapping[str, float]:
        by_shared = self.answering.logits(batch, self.shared)
        by_teacher = self.answering.logits(batch, self.teacher)
        shared = self._loss(batch, by_shared, by_teacher, self.settings.alpha)
        dual = self._loss(batch, by_teacher, by_shared, self.settings.beta)
        optimiser.step(shared + dual)
        return {"shared": shared.item(), "teacher": dual.item()}

    def _loss(self, batch: Batch, student: Tensor, teacher: Tensor | None, weight: float) -> Tensor:
        task = answer_loss(student, batch.labels, batch.scores)
        if teacher is None or not weight:
            return task
        return task + weight * distillation_loss(student, teacher, self.settings.temperature)
