"""Where one node's exchange of one cohort stands, and what a frame that arrives means.

A step of a lane goes EXPECTED, ARRIVED, ANSWERED. The last answer is kept until the next
frame arrives, so that a stream that breaks anywhere can be taken up again: the node sends
its outstanding frame once more, and every frame is taken in exactly once.
"""

import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import final

import torch
from torch import Tensor

from server_app.split.refusals import Reason, RefusalError
from strategies.common.split.plan import Plan
from strategies.common.split.wire.frames import FrameSpec, Gradients, Skipped
from strategies.common.split.wire.framing import Framer

_SESSION_BYTES = 16


class Move(Enum):
    """What is to become of a frame."""

    TAKE = auto()  # it is the one that the turn waits for
    WAIT = auto()  # it is here already, and not answered yet
    REPLAY = auto()  # it is answered already
    SKIP = auto()  # its turn took place without it


@final
@dataclass(eq=False)
class Lane:
    """One cohort's exchange of one node.

    Attributes
    ----------
    node, cohort : int
        Whose it is.
    framer : Framer
        What its frames hold, and how they are written.
    expected : int
        Step of the next frame that is neither late nor early.
    session : bytes
        What a stream that takes up the lane must know; empty before the first one.
    stream : int
        Number of the stream in use; earlier ones are dead.
    end : Callable[[], None]
        Ends the stream in use.
    may_repeat : bool
        Whether the next frame may be one that was sent before.
    outstanding : int | None
        Step that has arrived and is not answered yet.
    answer : Gradients | Skipped | None
        The last answer.
    taken : int
        Frames and parts of surveys that were taken in.
    skipped : int
        Turns that took place without this lane.
    """

    node: int
    cohort: int
    framer: Framer
    expected: int
    session: bytes = b""
    stream: int = 0
    end: Callable[[], None] = lambda: None
    may_repeat: bool = False
    outstanding: int | None = None
    answer: Gradients | Skipped | None = None
    taken: int = 0
    skipped: int = 0

    @property
    def spec(self) -> FrameSpec:
        """What the frames hold."""
        return self.framer.spec

    @property
    def where(self) -> str:
        """The lane's name in messages."""
        return _name(self.node, self.cohort)

    def take_up(self, session: bytes, end: Callable[[], None]) -> Callable[[], None]:
        """Hand the lane to a new stream and return what ends the one before.

        Parameters
        ----------
        session : bytes
            What the node knows of the lane; empty on its first stream.
        end : Callable[[], None]
            Ends the new stream.

        Raises
        ------
        RefusalError
            If the lane is in use and the node does not know its session.
        """
        known = bool(session) and hmac.compare_digest(session, self.session)
        # Until its first frame is taken, a node may have missed what it was told.
        if not known and (session or self.taken):
            text = f"{self.where}: expected the session's id, got another or none"
            raise RefusalError(Reason.REPLAYED, text)
        self.stream += 1
        self.may_repeat = known
        self.session = self.session if known else secrets.token_bytes(_SESSION_BYTES)
        end_before, self.end = self.end, end
        return end_before

    def publish(self, answer: Gradients) -> None:
        """Keep the answer to the outstanding step, and expect the next one."""
        self.answer = answer
        self.outstanding, self.expected = None, answer.step + 1

    def place(self, step: int, collecting: int, last: int) -> Move:
        """Decide what a frame means.

        Parameters
        ----------
        step : int
            The frame's.
        collecting : int
            Step that the cohort's next turn will take.
        last : int
            Last step of the session.

        Raises
        ------
        RefusalError
            If the frame is out of order.
        """
        repeats, self.may_repeat = self.may_repeat, False
        if repeats and step == self.outstanding:
            return Move.WAIT
        if repeats and self.answer is not None and step == self.answer.step:
            return Move.REPLAY
        if step == self.expected <= last and self.outstanding is None:
            return Move.TAKE if step == collecting else Move.SKIP
        expected = f"step {self.expected}" if self.expected <= last else f"none after step {last}"
        raise RefusalError(Reason.ORDER, f"{self.where}: expected {expected}, got step {step}")

    def answer_of(self, step: int, gradients: Mapping[int, Tensor]) -> Gradients:
        """Return the lane's part of what the engine answers to a step."""
        if not self.spec.returns_gradient:
            return Gradients(step, None)
        rows = torch.stack([gradients[client].detach() for client in self.spec.clients])
        if rows.dtype is not torch.float32 or rows.device.type != "cpu":
            rows = rows.to("cpu", torch.float32)
        return Gradients(step, rows)


def seat(
    plan: Plan,
    specs: Callable[[tuple[int, ...]], FrameSpec],
    nodes: Mapping[int, tuple[tuple[int, ...], ...]],
) -> dict[tuple[int, int], Lane]:
    """Return a lane for every node and cohort in which the node has clients.

    Parameters
    ----------
    plan : Plan
        Who exchanges, and how often.
    specs : Callable[[tuple[int, ...]], FrameSpec]
        What the frames of some logical clients hold.
    nodes : Mapping[int, tuple[tuple[int, ...], ...]]
        Each node's logical clients, cohort by cohort.
    """
    first = plan.step_numbers.start
    return {
        (node, cohort): Lane(node, cohort, Framer(specs(own), _name(node, cohort)), first)
        for node, seats in sorted(nodes.items())
        for cohort, own in enumerate(seats)
        if own
    }


def _name(node: int, cohort: int) -> str:
    return f"node {node}, cohort {cohort}"
