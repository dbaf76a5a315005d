"""The device's loop of one round: activations up, gradients down, cohort by cohort."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, final

from torch import Tensor

from strategies.common.errors import ExchangeError
from strategies.common.split.link import Lane
from strategies.common.split.members import Batch, Members
from strategies.common.split.plan import Plan
from strategies.common.split.wire.frames import Gradients


@final
@dataclass(frozen=True)
class Exchanged:
    """What became of a round's steps on this node.

    Attributes
    ----------
    taken : int
        Steps that the server answered, over all cohorts.
    skipped : int
        Frames that came too late, over all cohorts.
    """

    taken: int
    skipped: int


def run_lanes(
    plan: Plan, lanes: Mapping[int, Lane], cohorts: Mapping[int, Members[Batch]]
) -> Exchanged:
    """Run all steps of a plan for the cohorts that this node has a lane for.

    All cohorts' first frames go up before an answer is awaited; then each cohort in turn
    receives, learns, and sends its next frame. The batch after that is prepared while the
    answer travels. A frame that came too late is dropped with its graph, and its cohort goes
    on where the server says.

    Parameters
    ----------
    plan : Plan
        Gives the steps.
    lanes : Mapping[int, Lane]
        Open exchange by cohort, for the cohorts in which this node has clients.
    cohorts : Mapping[int, Members]
        Who learns in each of them; where no gradient comes back, nobody moves.

    Returns
    -------
    Exchanged
        Steps taken and frames skipped.

    Raises
    ------
    ExchangeError
        If the server answers another step than the one that was asked for.
    """
    steps = plan.step_numbers
    seats = [
        _Seat(cohort, lanes[cohort], cohorts[cohort], steps.start, steps.stop)
        for cohort in sorted(lanes)
    ]
    for seat in seats:
        seat.send()
    for seat in seats:
        seat.look_ahead()
    while any(seat.step < seat.end for seat in seats):
        for seat in seats:
            if seat.step < seat.end:
                seat.settle()
                seat.send()
                seat.look_ahead()
    return Exchanged(sum(seat.taken for seat in seats), sum(seat.skipped for seat in seats))


@final
@dataclass
class _Seat(Generic[Batch]):
    """One cohort's place in the loop: the frame on its way, and the batch after it."""

    cohort: int
    lane: Lane
    members: Members[Batch]
    step: int
    end: int
    activations: Tensor | None = None
    prepared: dict[int, Batch] = field(default_factory=dict)
    taken: int = 0
    skipped: int = 0

    def send(self) -> None:
        """Send the current step's frame, unless the session is over."""
        if self.step >= self.end:
            return
        ready = self.step in self.prepared
        batch = self.prepared[self.step] if ready else self.members.prepare(self.step)
        self.prepared.clear()
        tensors = self.members.forward(batch)
        self.activations = tensors[0]
        self.lane.send(self.step, tuple(tensor.detach() for tensor in tensors))

    def look_ahead(self) -> None:
        """Prepare the batch of the step that usually follows."""
        if self.step + 1 < self.end:
            self.prepared[self.step + 1] = self.members.prepare(self.step + 1)

    def settle(self) -> None:
        """Take in the answer to the frame on its way and move on to the step it leads to."""
        answer = self.lane.receive()
        activations, self.activations = self.activations, None
        following = self.step + 1 if isinstance(answer, Gradients) else answer.next_step
        if answer.step != self.step or following <= self.step:
            raise ExchangeError(
                f"cohort {self.cohort}: expected an answer to step {self.step}, got one to step "
                f"{answer.step} that leads to step {following}; all parts of a federation must "
                f"run the same version of the app"
            )
        if isinstance(answer, Gradients):
            self.taken += 1
            if answer.gradient is not None and activations is not None:
                gradient = answer.gradient.to(activations.device)
                self.members.backward(self.step, activations, gradient)
        else:
            self.skipped += 1
        self.step = following
