"""Servers that make one answer of what all clients said of open data, and may learn of it."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Generic, TypeVar, cast, final

import torch
from torch import Tensor

from strategies.common import seeds
from strategies.common.agreed import Need
from strategies.common.message import MessageServer
from strategies.common.model import FeatureModel
from strategies.common.open_answers import OpenAnswers, OpenConsensus
from strategies.common.open_data import drawn
from strategies.common.open_lesson import Lesson
from strategies.common.open_server_model import LOSS, require_sendable
from strategies.common.open_settings import AnyOpenSettings
from strategies.common.payloads import numbers_of
from strategies.common.round import Aggregated, Reply

Told = TypeVar("Told", bound=OpenConsensus)
Said = TypeVar("Said", bound=OpenAnswers)


@final
@dataclass
class ConsensusState:
    """What the answers of the last round came to, and who learns of nothing else.

    Attributes
    ----------
    rows : Tensor
        (open, class); without rows before the first round.
    round : Tensor
        (1,) int64, that round; 0 for none.
    model : FeatureModel | None
        The server's own; ``None`` where it keeps none.
    moments : dict[str, Tensor]
        Of the optimiser that trains it.
    """

    rows: Tensor = field(default_factory=lambda: torch.zeros(0, 0))
    round: Tensor = field(default_factory=lambda: torch.zeros(1, dtype=torch.int64))
    model: FeatureModel | None = None
    moments: dict[str, Tensor] = field(default_factory=dict)


class ConsensusServer(
    MessageServer[AnyOpenSettings, ConsensusState, Told, Said],
    Generic[AnyOpenSettings, Told, Said],
):
    """Tells all clients what the answers of the round before came to."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.OPEN_DATA, Need.MODELS})

    # After a round that was undone the next one need not be the one after the state's.
    _went_back = False

    @abstractmethod
    def together(self, said: Sequence[Tensor], samples: Sequence[int]) -> tuple[Tensor, Aggregated]:
        """Make one of all answers, and return it with what is measured beside the agreement.

        Parameters
        ----------
        said : Sequence[Tensor]
            (open, class) of each client.
        samples : Sequence[int]
            Training samples of each.
        """

    @classmethod
    def reads_open_data(cls, settings: AnyOpenSettings) -> bool:
        """Read them where the server has a model that learns of them."""
        return bool(settings.server_model)

    def start(self) -> ConsensusState:
        """Return the server's model, where it is to have one, and nothing that was said."""
        if not self.settings.server_model:
            return ConsensusState()
        return ConsensusState(model=self.provided.build_beside().to(self.provided.device))

    def broadcast(self, state: ConsensusState) -> Told | None:
        """Return what the last round came to, and the server's model in rounds that test it."""
        if not len(state.rows):
            return None
        kind = cast(type[Told], self.wire.down)
        if state.model is None:
            return kind(rows=state.rows, round=state.round, parameters=None, statistics=None)
        parameters, statistics = numbers_of(state.model)
        run, now = self.provided.run, int(state.round) + 1
        # Past the last round who took no part in it is asked for a test.
        if now <= run.rounds and not run.is_evaluated(now) and not self._went_back:
            parameters, statistics = parameters[:0], statistics[:0]
        return kind(
            rows=state.rows, round=state.round, parameters=parameters, statistics=statistics
        )

    def gone_back(self, state: ConsensusState) -> None:  # noqa: ARG002
        """Send the model next time, whether or not that round tests it."""
        self._went_back = True

    def aggregate(
        self, state: ConsensusState, round_number: int, replies: Sequence[Reply[Said]]
    ) -> Aggregated:
        """Make one of all answers, which the server's model learns; without any change nothing."""
        if not replies:
            return Aggregated()
        said = [reply.uplink.answers(self.agreed) for reply in replies]
        state.rows, told = self.together(said, [reply.samples for reply in replies])
        state.round, self._went_back = torch.tensor([round_number]), False
        likeliest = state.rows.argmax(1)
        agreeing = [float((own.argmax(1) == likeliest).float().mean()) for own in said]
        found = {"agreement": sum(agreeing) / len(agreeing), **self._teach(state, round_number)}
        return Aggregated(found).joined(told)

    def _teach(self, state: ConsensusState, round_number: int) -> dict[str, float]:
        """Let the server's model learn what all said, and return its mean loss.

        Raises
        ------
        ModelError
            If its numbers could not be sent, which may be asked for in a later round alone.
        """
        if state.model is None:
            return {}
        run, opened = self.provided.run, self.provided.open_data
        rows = drawn(opened.told, self.settings.samples_per_round, run.seed, round_number)
        distance = cast(type[Told], self.wire.down).distance
        losses, state.moments = Lesson(
            LOSS, run.method, opened.inputs[rows], state.rows, distance
        ).teach(
            state.model,
            self.settings,
            self.settings.distill_epochs,
            seeds.generator(run.seed, "server distillation", round_number=round_number),
            self.provided.device,
            owner=state,
            moments=state.moments,
        )
        require_sendable(state.model, run.method, run.wire_dtype)
        return dict(losses)
