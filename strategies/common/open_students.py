"""Clients that speak about open data, and learn there what all of them said together."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Generic, TypeVar, cast, final

import torch
from torch import Tensor, nn

from strategies.common.agreed import Need
from strategies.common.device import MessageDevice
from strategies.common.message import LocalTraining, MessageClient, ModelState, label_loss
from strategies.common.open_answers import OpenAnswers, OpenConsensus
from strategies.common.open_data import drawn
from strategies.common.open_lesson import Lesson
from strategies.common.open_server_model import SCORE, received
from strategies.common.open_settings import AnyOpenSettings
from strategies.common.round import Trained
from strategies.common.training import output_batches

# Name of the loss, and of the order in which samples are drawn.
DISTILLATION: Final = "distillation"

Told = TypeVar("Told", bound=OpenConsensus)
Said = TypeVar("Said", bound=OpenAnswers)


@final
@dataclass
class StudentState(ModelState):
    """A model that two optimisers train, by turns.

    Attributes
    ----------
    turns : Tensor
        (1,) int64, rounds in which the client took part.
    distill_moments : dict[str, Tensor]
        Of the optimiser that learns from open data.
    """

    turns: Tensor = field(default_factory=lambda: torch.zeros(1, dtype=torch.int64), kw_only=True)
    distill_moments: dict[str, Tensor] = field(default_factory=dict, kw_only=True)


class OpenDataClient(
    MessageClient[AnyOpenSettings, StudentState, Told, Said],
    Generic[AnyOpenSettings, Told, Said],
):
    """A client whose round is: learn what all said, learn from its own labels, speak."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.OPEN_DATA, Need.MODELS})
    state: ClassVar[type[Any]] = StudentState

    def train(
        self, device: MessageDevice, state: StudentState, downlink: Told | None
    ) -> Trained[Said]:
        """Distil what the round before came to, run the local epochs, and speak."""
        told = {} if downlink is None else self._distil(device, state, downlink)
        trained = super().train(device, state, downlink)
        state.turns = state.turns + 1
        return trained.beside(told)

    def local_training(
        self,
        device: MessageDevice,
        state: StudentState,
        downlink: Told | None,  # noqa: ARG002
    ) -> LocalTraining[Said]:
        """Learn from labels alone; answers are given in evaluation mode."""

        def speak() -> Said:
            asked, model = self._asked(device, device.round_number), state.model
            kind = cast(type[Said], self.wire.up)
            said = output_batches(
                asked, model, lambda inputs: kind.said_by(model(inputs)), device.torch_device
            )
            return kind.of(torch.cat(list(said)), self.agreed)

        return LocalTraining(label_loss(state.model), speak)

    def others(
        self,
        device: MessageDevice,
        state: StudentState,  # noqa: ARG002
        downlink: Told | None,
    ) -> Mapping[str, nn.Module]:
        """Return the server's model where it came down."""
        if downlink is None or downlink.parameters is None:
            return {}
        servers = received(downlink, self.provided.build_beside(to_be_loaded=True))
        return {} if servers is None else {SCORE: servers.to(device.torch_device)}

    def learn_open(
        self, device: MessageDevice, state: StudentState, lesson: Lesson, epochs: int
    ) -> Mapping[str, float]:
        """Learn from open samples, and return the mean loss.

        Parameters
        ----------
        device, state : MessageDevice, StudentState
            Whose model learns.
        lesson : Lesson
            Samples, what is to be learnt of them, and the loss.
        epochs : int
            Passes over the samples.
        """
        told, state.distill_moments = lesson.teach(
            state.model,
            self.settings,
            epochs,
            device.generator(lesson.name),
            device.torch_device,
            owner=state,
            moments=state.distill_moments,
        )
        return told

    def _distil(
        self, device: MessageDevice, state: StudentState, consensus: Told
    ) -> Mapping[str, float]:
        asked = self._asked(device, int(consensus.round))
        lesson = Lesson(
            DISTILLATION, device.settings.method, asked, consensus.rows, consensus.distance
        )
        return self.learn_open(device, state, lesson, self.settings.distill_epochs)

    def _asked(self, device: MessageDevice, round_number: int) -> Tensor:
        """Return the open samples that a round asks about."""
        opened, count = device.open_data, self.settings.samples_per_round
        return opened.inputs[drawn(opened.told, count, device.settings.seed, round_number)]
