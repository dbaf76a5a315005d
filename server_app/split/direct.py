"""A link to the hub within one process: the stream without gRPC.

What arrives is bitwise what the stream would bring. Numbers of a lossy codec take its round
trip; exact ones stay where they are, on a GPU too. Several nodes may share one thread, as
long as all send before any receives.
"""

from typing import final

from torch import Tensor

from server_app.split.hub import Hub
from server_app.split.lanes import Lane
from strategies.common.split.plan import Plan
from strategies.common.split.wire import framing, survey_parts
from strategies.common.split.wire.frames import (
    Activations,
    FrameSpec,
    Gradients,
    Skipped,
    Split,
    Survey,
)


@final
class DirectLane:
    """One cohort's exchange of one node, straight with the hub.

    Parameters
    ----------
    hub : Hub
        Where frames meet.
    lane : Lane
        The hub's side of it.
    stream : int
        Its number.
    """

    def __init__(self, hub: Hub, lane: Lane, stream: int) -> None:
        self._hub, self._lane, self._stream = hub, lane, stream
        self._step = 0

    def send(self, step: int, tensors: tuple[Tensor, ...]) -> None:
        """Hand over a step's activations; see ``strategies.common.split.link.Lane``."""
        frame = Activations(step, tensors)
        if not self._lane.framer.is_exact(tensors):
            frame = self._arrived(frame)
        self._hub.submit(self._lane, self._stream, frame)
        self._step = step

    def receive(self) -> Gradients | Skipped:
        """Wait for the answer, playing turns that fall due meanwhile."""
        answer = self._hub.answer(self._lane, self._stream, self._step)
        if isinstance(answer, Skipped):
            return answer
        framer, gradient = self._lane.framer, answer.gradient
        if gradient is None or framer.is_exact_gradient(gradient):
            return answer
        raw = framer.write_answer(answer)
        down, numbers = framing.parse_down(raw, "server")
        return framer.read_gradients(down.gradients, numbers)

    def _arrived(self, frame: Activations) -> Activations:
        framer = self._lane.framer
        raw = framer.write_activations(frame)
        up, numbers = framing.parse_up(raw, self._lane.where)
        return framer.read_activations(up.activations, numbers)


@final
class DirectLink:
    """One node's link to a hub in the same process.

    Parameters
    ----------
    hub : Hub
        Where frames meet.
    partition : int
        The node.
    plan : Plan
        The session's.
    """

    def __init__(self, hub: Hub, partition: int, plan: Plan) -> None:
        self._hub, self._partition, self._plan = hub, partition, plan
        self._surveys: tuple[Lane, int] | None = None
        self._parts = 0

    @property
    def plan(self) -> Plan:
        """Who exchanges in this round, and how often."""
        return self._plan

    def lane(self, cohort: int, spec: FrameSpec) -> DirectLane:
        """Open one cohort's exchange."""
        lane, stream = self._hub.open((self._partition, cohort), spec.digest())
        return DirectLane(self._hub, lane, stream)

    def survey(self, client: int, split: Split, activations: Tensor, labels: Tensor) -> None:
        """Send samples for the server's evaluation."""
        if self._surveys is None:
            self._surveys = self._hub.open((self._partition, 0), b"")
        lane, stream = self._surveys
        for part in survey_parts.cut(Survey(client, split, activations, labels)):
            self._parts += 1
            raw = survey_parts.write(part, self._parts, lane.where)
            up, numbers = framing.parse_up(raw, lane.where)
            survey = survey_parts.read(up.survey, numbers, lane.spec, lane.where)
            self._hub.survey(lane, stream, self._parts, survey)

    def close(self) -> None:
        """End the exchange."""
