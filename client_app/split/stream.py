"""How a device reaches the server within a round: the link over gRPC streams."""

from types import TracebackType
from typing import Self, final

from torch import Tensor

from client_app.split.conversation import Conversation
from client_app.split.watchdog import Watchdog
from strategies.common.errors import ExchangeError
from strategies.common.split.plan import Plan
from strategies.common.split.wire import survey_parts
from strategies.common.split.wire.frames import (
    Activations,
    FrameSpec,
    Gradients,
    Skipped,
    Split,
    Survey,
)
from strategies.common.split.wire.framing import Framer
from strategies.common.split.wire.invitation import Invitation
from strategies.common.split.wire.protocol import SLACK_BYTES

# A survey has one lane per node.
_SURVEY_COHORT = 0


@final
class StreamLane:
    """One cohort's exchange of this node; satisfies ``strategies.common.split.link.Lane``.

    Parameters
    ----------
    conversation : Conversation
        With the server.
    framer : Framer
        Writes and reads its frames.
    where : str
        The lane's name in messages.
    """

    def __init__(self, conversation: Conversation, framer: Framer, where: str) -> None:
        self._conversation = conversation
        self._framer = framer
        self._where = where
        self._step = 0

    def send(self, step: int, tensors: tuple[Tensor, ...]) -> None:
        """Hand over a step's activations without waiting for the answer."""
        raw = self._framer.write_activations(Activations(step, tensors))
        self._step = step
        self._conversation.post(raw)

    def receive(self) -> Gradients | Skipped:
        """Wait for the answer to the frame sent last."""
        down, numbers = self._conversation.reply()
        match down.WhichOneof("kind"):
            case "gradients" if down.gradients.step == self._step:
                return self._framer.read_gradients(down.gradients, numbers)
            case "skipped" if down.skipped.step == self._step < down.skipped.next_step:
                return Skipped(down.skipped.step, down.skipped.next_step)
        raise ExchangeError(
            f"{self._where}: expected the answer to step {self._step}, got another frame"
        )


@final
class StreamLink:
    """One node's link to the server within one round; satisfies ``link.Link``.

    Parameters
    ----------
    invitation : Invitation
        What the server sent with the round's order.
    partition : int
        This node.

    Raises
    ------
    ExchangeError
        If the invitation is another node's.
    """

    def __init__(self, invitation: Invitation, partition: int) -> None:
        if invitation.partition != partition:
            raise ExchangeError(
                f"node {partition}: expected an invitation of its own, got one of node "
                f"{invitation.partition}"
            )
        self._invitation = invitation
        self._plan = invitation.plan()
        self._watchdog: Watchdog | None = None
        self._conversations: list[Conversation] = []
        self._surveys: Conversation | None = None
        self._parts = 0

    def __enter__(self) -> Self:
        """Return the link; nothing is dialled before it is used."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the exchange."""
        self.close()

    @property
    def plan(self) -> Plan:
        """Who exchanges in this round, and how often."""
        return self._plan

    def lane(self, cohort: int, spec: FrameSpec) -> StreamLane:
        """Open one cohort's exchange; waits until the server has welcomed it."""
        where = f"node {self._invitation.partition}, cohort {cohort}"
        framer = Framer(spec, where)
        conversation = self._converse(cohort, spec.digest(), framer.largest_down)
        return StreamLane(conversation, framer, where)

    def survey(self, client: int, split: Split, activations: Tensor, labels: Tensor) -> None:
        """Send samples for the server's evaluation, part by part; each is acknowledged."""
        if self._surveys is None:
            self._surveys = self._converse(_SURVEY_COHORT, b"", SLACK_BYTES)
        where = f"node {self._invitation.partition}, survey of client {client}"
        for part in survey_parts.cut(Survey(client, split, activations, labels)):
            self._parts += 1
            self._surveys.post(survey_parts.write(part, self._parts, where))
            down, _ = self._surveys.reply()
            if down.WhichOneof("kind") != "taken" or down.taken.number != self._parts:
                raise ExchangeError(f"{where}: expected a receipt, got another frame")

    def close(self) -> None:
        """End the exchange; every lane is closed."""
        for conversation in self._conversations:
            conversation.close()
        self._conversations.clear()
        self._surveys = None
        if self._watchdog is not None:
            self._watchdog.close()
            self._watchdog = None

    def _converse(self, cohort: int, digest: bytes, limit: int) -> Conversation:
        invitation = self._invitation
        if self._watchdog is None:
            self._watchdog = Watchdog(
                min(invitation.step_deadline_s, invitation.connect_deadline_s)
            )
        conversation = Conversation(invitation, cohort, digest, limit, self._watchdog)
        self._conversations.append(conversation)
        return conversation
