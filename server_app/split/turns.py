"""Whose turn it is: one cohort's part of one step after another, each with a deadline.

A turn is due when every lane that it waits for has arrived, or at its deadline with those
that have, if they are a quorum. A lane that missed a turn is not waited for until it sends
again. Nothing here waits or locks; the hub calls under its lock.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from torch import Tensor

from server_app.split.lanes import Lane, Move
from strategies.common.split.plan import Plan
from strategies.common.split.settings import SplitSettings
from strategies.common.split.wire.frames import Activations, Skipped

_MAX_LISTED = 8


@final
@dataclass(frozen=True)
class Turn:
    """A turn that takes place.

    Attributes
    ----------
    step, cohort : int
        Which one.
    arrived : Mapping[int, Activations]
        Frames that it takes in, by node.
    ends_step : bool
        Whether it is the step's last.
    """

    step: int
    cohort: int
    arrived: Mapping[int, Activations]
    ends_step: bool

    def by_client(self, lanes: Mapping[int, Lane]) -> dict[int, tuple[Tensor, ...]]:
        """Return the frames by logical client, ascending; ``lanes`` are the nodes' own."""
        # Nodes carry clients in blocks, in the same order as the nodes.
        return {
            client: rows
            for node in sorted(self.arrived)
            for client, rows in zip(
                lanes[node].spec.clients,
                zip(*(tensor.unbind() for tensor in self.arrived[node].tensors), strict=True),
                strict=True,
            )
        }


@final
@dataclass(eq=False)
class _Cohort:
    """The lanes that take their turns together, and what has arrived for the next one."""

    lanes: dict[int, Lane]
    needed: int
    collecting: int
    awaited: set[int]
    arrived: dict[int, Activations] = field(default_factory=dict)


@final
class Turns:
    """The turns of one session.

    Parameters
    ----------
    plan : Plan
        How many there are; a survey has none.
    lanes : Mapping[tuple[int, int], Lane]
        By node and cohort; every cohort has one.
    settings : SplitSettings
        Deadlines and quorum.
    """

    def __init__(
        self, plan: Plan, lanes: Mapping[tuple[int, int], Lane], settings: SplitSettings
    ) -> None:
        self._plan, self._settings = plan, settings
        self._last = plan.step_numbers.stop - 1
        self._cohorts = []
        for number in range(len(plan.cohorts)):
            own = {node: lane for (node, cohort), lane in lanes.items() if cohort == number}
            if not own:
                raise ValueError(f"cohort {number}: expected at least one node, got none")
            # A hair less, so that rounding cannot ask for one frame too many.
            needed = max(1, math.ceil(settings.quorum * len(own) - 1e-9))
            self._cohorts.append(_Cohort(own, needed, plan.step_numbers.start, set(own)))
        self._played = 0
        self._under_way = False
        self._opened = self._since = time.monotonic()

    @property
    def left(self) -> bool:
        """Whether any turn is still to come."""
        return self._played < len(self._plan.step_numbers) * len(self._cohorts)

    @property
    def steps(self) -> int:
        """How many steps have begun their last turn."""
        return self._played // len(self._cohorts)

    @property
    def head(self) -> int:
        """Cohort whose turn is next."""
        return self._played % len(self._cohorts)

    def take(self, lane: Lane, frame: Activations) -> None:
        """Take in a frame, and answer it at once if its turn is past.

        Raises
        ------
        RefusalError
            If the frame is out of order.
        """
        cohort = self._cohorts[lane.cohort]
        move = lane.place(frame.step, cohort.collecting, self._last)
        if move is Move.TAKE:
            cohort.arrived[lane.node] = frame
            cohort.awaited.discard(lane.node)
            lane.outstanding, lane.answer = frame.step, None
            lane.taken += 1
        elif move is Move.SKIP:
            cohort.awaited.add(lane.node)
            lane.answer = Skipped(frame.step, cohort.collecting)
            lane.expected = cohort.collecting
            lane.taken += 1

    def stand_down(self, lane: Lane) -> None:
        """Let turns no longer wait for a lane until it sends again."""
        self._cohorts[lane.cohort].awaited.discard(lane.node)

    def begin(self) -> Turn | None:
        """Begin the next turn if it is due; its frames are then out of reach for late ones."""
        if self._under_way or not self.left:
            return None
        number = self.head
        cohort = self._cohorts[number]
        if len(cohort.arrived) < cohort.needed or (cohort.awaited and self.patience() > 0):
            return None
        ends_step = number == len(self._cohorts) - 1
        turn = Turn(cohort.collecting, number, cohort.arrived, ends_step)
        if len(turn.arrived) < len(cohort.lanes):
            for node in cohort.lanes.keys() - turn.arrived.keys():
                cohort.lanes[node].skipped += 1
        cohort.arrived, cohort.awaited = {}, set(turn.arrived)
        cohort.collecting += 1
        self._played += 1
        self._under_way = True
        return turn

    def end(self) -> None:
        """End the turn that was begun; the next one's time begins."""
        self._under_way = False
        self._since = time.monotonic()

    def patience(self) -> float:
        """Return the seconds until something is to be done, even if nothing arrives."""
        wait, now = self._settings.step_deadline_s, time.monotonic()
        if self._under_way:
            return wait
        deadline = self._since + wait
        if self._played < len(self._cohorts):
            # Until the first step nodes have their streams to open, and models to build.
            deadline = max(deadline, self._opened + self._settings.connect_deadline_s + wait)
        return max(0.0, deadline - now)

    def shortfall(self) -> str | None:
        """Return why the next turn cannot take place, once its deadline has passed."""
        if self._under_way or not self.left or self.patience() > 0:
            return None
        cohort = self._cohorts[self.head]
        if len(cohort.arrived) >= cohort.needed:
            return None
        missing = sorted(cohort.lanes.keys() - cohort.arrived.keys())
        listed = ", ".join(map(str, missing[:_MAX_LISTED]))
        rest = f" and {len(missing) - _MAX_LISTED} more" if len(missing) > _MAX_LISTED else ""
        waited = time.monotonic() - (self._since if self._played else self._opened)
        return (
            f"step {cohort.collecting}, cohort {self.head}: {len(cohort.lanes)} lanes expected, "
            f"{len(cohort.arrived)} arrived within {waited:.1f} s, at least {cohort.needed} "
            f"needed; missing: node {listed}{rest}. All nodes of a pool must run at once: in a "
            f"simulation, raise clients-per-node or the number of nodes that run at a time; with "
            f"slow nodes, raise split.step-deadline-s or split.connect-deadline-s"
        )
