"""Where frames meet: an engine, its turns and the threads that wait for them, without gRPC.

The thread that finds a turn due plays it, so that the hub has no thread of its own; the
others sleep, never longer than to the next deadline.
"""

import hmac
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from threading import Condition, Lock
from typing import Final, final

import torch
from torch import Tensor

from server_app.split.lanes import Lane, seat
from server_app.split.loud import Loud
from server_app.split.refusals import Reason, RefusalError
from server_app.split.surveyed import Surveyed
from server_app.split.turns import Turn, Turns
from strategies.common.magnitudes import Size
from strategies.common.split.engine import Engine
from strategies.common.split.plan import Plan, SurveyPlan
from strategies.common.split.settings import SplitSettings
from strategies.common.split.wire.frames import Activations, FrameSpec, Gradients, Skipped, Survey
from strategies.common.transport.compute import threads

NOTHING_HEARD: Final[Mapping[int, Size]] = {}
NO_LIMIT: Final[Mapping[int, int]] = {}


@final
class Hub:
    """The exchanges of one session.

    Parameters
    ----------
    engine : Engine
        Learns from what arrives; called by one thread at a time.
    plan : Plan
        Who exchanges, and how often.
    specs : Callable[[tuple[int, ...]], FrameSpec]
        What the frames of some logical clients hold.
    nodes : Mapping[int, tuple[tuple[int, ...], ...]]
        Each node's logical clients, cohort by cohort.
    settings : SplitSettings
        Deadlines and quorum.
    num_threads : int
        Torch threads of the engine.
    before : Mapping[int, Size]
        How large activations were that nodes sent last in the session before.
    most_surveyed : Mapping[int, int]
        Samples of a survey that a node may send; any number where it says nothing.

    Attributes
    ----------
    lanes : dict[tuple[int, int], Lane]
        By node and cohort; in a survey every node has one, of cohort 0.
    surveys : bool
        Whether the session takes surveys, and no activations to learn from.
    failure : str | None
        Why the session was given up.
    cause : Exception | None
        What the engine raised, if that was why.
    surveyed : Surveyed
        What came of a survey.
    """

    def __init__(
        self,
        engine: Engine,
        plan: Plan,
        specs: Callable[[tuple[int, ...]], FrameSpec],
        nodes: Mapping[int, tuple[tuple[int, ...], ...]],
        settings: SplitSettings,
        num_threads: int,
        before: Mapping[int, Size] = NOTHING_HEARD,
        most_surveyed: Mapping[int, int] = NO_LIMIT,
    ) -> None:
        self.failure: str | None = None
        self.cause: Exception | None = None
        self._engine = engine
        self._num_threads = num_threads
        self.lanes = seat(plan, specs, nodes)
        self.surveys = isinstance(plan, SurveyPlan)
        self._turns = Turns(plan, self.lanes, settings)
        self._lock = Lock()
        self._surveying = Lock()
        # One per cohort, so that a turn wakes nobody else's threads.
        self._woken = [Condition(self._lock) for _ in plan.cohorts]
        self._over = False
        self._loud = Loud(before)
        self.surveyed = Surveyed(most_surveyed)

    @property
    def refused(self) -> Mapping[int, str]:
        """Nodes whose activations were left out, with the reason."""
        return dict(self._loud.refused)

    @property
    def heard(self) -> Mapping[int, Size]:
        """How large activations are that nodes sent last."""
        return dict(self._loud.heard)

    @property
    def over(self) -> bool:
        """Whether the session is closed or was given up."""
        return self._over or self.failure is not None

    @property
    def steps_played(self) -> int:
        """How many steps of the plan are over, or as good as over."""
        with self._lock:
            return self._turns.steps

    @property
    def played_out(self) -> bool:
        """Whether every turn of the plan has taken place; a survey has none to wait for."""
        with self._lock:
            return not self.surveys and not self._turns.left

    def open(
        self,
        key: tuple[int, int],
        digest: bytes,
        session: bytes = b"",
        end: Callable[[], None] = lambda: None,
    ) -> tuple[Lane, int]:
        """Take up a lane with a new stream, which replaces the one before.

        Parameters
        ----------
        key : tuple[int, int]
            Node and cohort.
        digest : bytes
            Of the frames' specification; not looked at in a survey.
        session : bytes
            What the lane's first stream was told; empty for a first stream.
        end : Callable[[], None]
            Ends this stream when another replaces it.

        Returns
        -------
        tuple[Lane, int]
            The lane, and the number of the stream.

        Raises
        ------
        RefusalError
            If the node has no such lane, means other frames or does not know the session.
        """
        lane = self.lanes.get(key)
        if lane is None:
            where = f"node {key[0]}, cohort {key[1]}"
            raise RefusalError(Reason.LANE, f"{where}: expected a cohort with clients of this node")
        if not (self.surveys or hmac.compare_digest(digest, lane.spec.digest())):
            text = "expected the same frames as the server, got others; device and server must"
            text = f"{lane.where}: {text} run the same version with the same settings"
            raise RefusalError(Reason.SETTINGS, text)
        with self._lock:
            self._check_over()
            end_before = lane.take_up(session, end)
            self._woken[lane.cohort].notify_all()
            stream = lane.stream
        end_before()
        return lane, stream

    def exchange(self, lane: Lane, stream: int, frame: Activations) -> Gradients | Skipped:
        """Take in a frame and wait for its answer.

        Raises
        ------
        RefusalError
            If the frame is out of order, a newer stream replaced this one or the session ends.
        """
        with self._lock:
            self._take(lane, stream, frame)
            found = self._wait(lane, stream, frame.step)
        if isinstance(found, Turn):
            self._play(found)
            return self.answer(lane, stream, frame.step)
        return found

    def submit(self, lane: Lane, stream: int, frame: Activations) -> None:
        """Take in a frame without waiting; :meth:`answer` tells what became of it."""
        with self._lock:
            self._take(lane, stream, frame)
            self._wake_head()

    def answer(self, lane: Lane, stream: int, step: int) -> Gradients | Skipped:
        """Wait for the answer to a frame that was taken in, playing any turn that falls due.

        Raises
        ------
        RefusalError
            If a newer stream replaced this one or the session ends.
        """
        while True:
            with self._lock:
                found = self._wait(lane, stream, step)
            if not isinstance(found, Turn):
                return found
            self._play(found)

    def survey(self, lane: Lane, stream: int, number: int, survey: Survey) -> None:
        """Take in one part of a survey, once.

        Parameters
        ----------
        lane : Lane
            Who sends it.
        stream : int
            By which stream.
        number : int
            Which part of the lane's survey, from 1.
        survey : Survey
            The part.

        Raises
        ------
        RefusalError
            If it is out of order or one too many, or the session ends.
        """
        with self._surveying:
            with self._lock:
                self._check(lane, stream)
                repeats, lane.may_repeat = lane.may_repeat, False
                if repeats and number == lane.taken > 0:
                    return
                if number != lane.taken + 1:
                    text = f"{lane.where}: expected part {lane.taken + 1}, got part {number}"
                    raise RefusalError(Reason.ORDER, text)
                self.surveyed.take(lane, survey)
            try:
                with self._threads():
                    self._engine.survey(survey)
            except Exception as error:  # whatever a method raises ends the session, not the server
                self.give_up(f"survey: {type(error).__name__}: {error}", error)
            with self._lock:
                self._check_over()
                lane.taken += 1

    def stand_down(self, lane: Lane, stream: int) -> None:
        """Let turns no longer wait for a lane until it sends again."""
        with self._lock:
            if stream == lane.stream:
                self._turns.stand_down(lane)
                self._wake_head()

    def is_current(self, lane: Lane, stream: int) -> bool:
        """Return whether a stream is the one in use, and the session under way."""
        with self._lock:
            return stream == lane.stream and not self.over

    def enforce_deadline(self) -> None:
        """Give the session up if its next turn is overdue without a quorum.

        Threads that wait do the same; this is for when nobody waits, because no node came.
        """
        with self._lock:
            self._check_quorum()

    def give_up(self, reason: str, cause: Exception | None = None) -> None:
        """End the session for everyone, because of something that went wrong."""
        with self._lock:
            if not self.over:
                self.failure, self.cause = reason, cause
            self._wake_all()

    def close(self) -> None:
        """End the session for everyone."""
        with self._lock:
            self._over = True
            self._wake_all()

    def _take(self, lane: Lane, stream: int, frame: Activations) -> None:
        self._check(lane, stream)
        if self.surveys:
            raise RefusalError(Reason.FORM, f"{lane.where}: expected a survey, got activations")
        self._turns.take(lane, frame)

    def _wait(self, lane: Lane, stream: int, step: int) -> Gradients | Skipped | Turn:
        while True:
            self._check(lane, stream)
            if lane.outstanding != step and lane.answer is not None:
                return lane.answer
            if turn := self._turns.begin():
                return turn
            self._check_quorum()
            self._check_over()
            self._woken[lane.cohort].wait(self._turns.patience())

    def _play(self, turn: Turn) -> None:
        lanes = {node: self.lanes[node, turn.cohort] for node in turn.arrived}
        try:
            with self._threads():
                gradients = self._advance(turn, lanes)
                answers = {n: lane.answer_of(turn.step, gradients) for n, lane in lanes.items()}
                with self._lock:
                    for node, lane in lanes.items():
                        lane.publish(answers[node])
                    self._woken[turn.cohort].notify_all()
                if turn.ends_step:
                    self._engine.finish(turn.step)
        except Exception as error:  # whatever a method raises ends the session, not the server
            self.give_up(f"step {turn.step}: {type(error).__name__}: {error}", error)
            return
        with self._lock:
            self._turns.end()
            self._wake_head()

    def _advance(self, turn: Turn, lanes: Mapping[int, Lane]) -> Mapping[int, Tensor]:
        """Let the engine learn from a turn; clients that are left out get gradients of zero."""
        arrived, left_out = turn.by_client(lanes), self._loud.left_out(turn, lanes)
        kept = {client: own for client, own in arrived.items() if client not in left_out}
        gradients = self._engine.advance(turn.step, turn.cohort, kept)
        return {
            **gradients,
            **{client: torch.zeros_like(arrived[client][0]) for client in left_out},
        }

    def _threads(self) -> AbstractContextManager[None]:
        """Return a block with the engine's number of threads, at no cost where it is set."""
        same = torch.get_num_threads() == self._num_threads
        return nullcontext() if same else threads(self._num_threads)

    def _check(self, lane: Lane, stream: int) -> None:
        self._check_over()
        if stream != lane.stream:
            text = f"{lane.where}: a newer stream has replaced this one"
            raise RefusalError(Reason.REPLACED, text)

    def _check_over(self) -> None:
        if self.failure is not None:
            raise RefusalError(Reason.OVER, f"the server gave the exchange up: {self.failure}")
        if self._over:
            raise RefusalError(Reason.OVER, "the server has ended the exchange")

    def _check_quorum(self) -> None:
        if not self.over and (shortfall := self._turns.shortfall()):
            self.failure = shortfall
            self._wake_all()

    def _wake_head(self) -> None:
        self._woken[self._turns.head].notify_all()

    def _wake_all(self) -> None:
        for woken in self._woken:
            woken.notify_all()
