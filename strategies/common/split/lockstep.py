"""The device's loop of one round: activations up, gradients down, cohort by cohort."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar, final

from torch import Tensor

from strategies.common.errors import ExchangeError
from strategies.common.split.link import Lane
from strategies.common.split.plan import Plan
from strategies.common.split.wire.frames import Gradients

Batch = TypeVar("Batch")


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
    plan: Plan,
    lanes: Mapping[int, Lane],
    prepare: Callable[[int, int], Batch],
    forward: Callable[[int, int, Batch], tuple[Tensor, ...]],
    backward: Callable[[int, int, Tensor, Tensor], None],
) -> Exchanged:
    """Run all steps of a plan for the cohorts that this node has a lane for.

    All cohorts' first frames go up before an answer is awaited; then each cohort in turn
    receives, learns, and sends its next frame. The batch after that is prepared while the
    answer travels, so ``prepare`` must not depend on the weights. A frame that came too late
    is dropped with its graph, and its cohort goes on where the server says.

    Parameters
    ----------
    plan : Plan
        First step and number of steps.
    lanes : Mapping[int, Lane]
        Open exchange by cohort, for the cohorts in which this node has clients.
    prepare : Callable[[int, int], Batch]
        Maps cohort and step to a batch of inputs; may be asked for a step that the server
        then passes over.
    forward : Callable[[int, int, Batch], tuple[Tensor, ...]]
        Maps cohort, step and batch to the frame's tensors in the order of the spec. The
        first one is kept with its graph until the answer is there.
    backward : Callable[[int, int, Tensor, Tensor], None]
        Takes cohort, step, that first tensor and its gradient on the same device, and moves
        the weights. Not called where no gradient comes back.

    Returns
    -------
    Exchanged
        Steps taken and frames skipped.

    Raises
    ------
    ExchangeError
        If the server answers another step than the one that was asked for.
    """
    seats: list[_Seat[Batch]] = [
        _Seat(cohort, lanes[cohort], plan.first_step) for cohort in sorted(lanes)
    ]
    end = plan.first_step + plan.steps
    for seat in seats:
        seat.send(end, prepare, forward)
    for seat in seats:
        seat.look_ahead(end, prepare)
    while any(seat.step < end for seat in seats):
        for seat in seats:
            if seat.step < end:
                seat.settle(backward)
                seat.send(end, prepare, forward)
                seat.look_ahead(end, prepare)
    return Exchanged(sum(seat.taken for seat in seats), sum(seat.skipped for seat in seats))


@final
@dataclass
class _Seat(Generic[Batch]):
    """One cohort's place in the loop: the frame on its way, and the batch after it."""

    cohort: int
    lane: Lane
    step: int
    activations: Tensor | None = None
    prepared: dict[int, Batch] = field(default_factory=dict)
    taken: int = 0
    skipped: int = 0

    def send(
        self,
        end: int,
        prepare: Callable[[int, int], Batch],
        forward: Callable[[int, int, Batch], tuple[Tensor, ...]],
    ) -> None:
        """Send the current step's frame, unless the session is over."""
        if self.step >= end:
            return
        ready = self.step in self.prepared
        batch = self.prepared[self.step] if ready else prepare(self.cohort, self.step)
        self.prepared.clear()
        tensors = forward(self.cohort, self.step, batch)
        self.activations = tensors[0]
        self.lane.send(self.step, tuple(tensor.detach().cpu() for tensor in tensors))

    def look_ahead(self, end: int, prepare: Callable[[int, int], Batch]) -> None:
        """Prepare the batch of the step that usually follows."""
        if self.step + 1 < end:
            self.prepared[self.step + 1] = prepare(self.cohort, self.step + 1)

    def settle(self, backward: Callable[[int, int, Tensor, Tensor], None]) -> None:
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
                backward(self.cohort, self.step, activations, gradient)
        else:
            self.skipped += 1
        self.step = following
