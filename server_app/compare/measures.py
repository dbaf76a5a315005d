"""What one run's journal comes to."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean, median
from typing import Final, final

from server_app.journal import RoundLine
from server_app.run_record import RunRecord

# A last round alone carries a noise of points at a constant learning rate.
NUM_LAST: Final = 5
# Name by which devices that measure their processor's time tell it among their figures.
CPU_FIGURE: Final = "cpu_s"


@final
@dataclass(frozen=True)
class Point:
    """Where a run stands after a round that has an accuracy.

    Attributes
    ----------
    round_number, accuracy : int, float
        The round, and the mean over its clients, weighted by test samples.
    worst : float
        Lowest accuracy of a client.
    exchanged : int
        Bytes up and down of all clients, of this round and all before.
    seconds : float
        Time on the server, of this round and all before.
    """

    round_number: int
    accuracy: float
    worst: float
    exchanged: int
    seconds: float


@final
@dataclass(frozen=True)
class RunMeasures:
    """One run in numbers.

    Attributes
    ----------
    curve : tuple[Point, ...]
        Rounds that have an accuracy.
    clients : Mapping[int, float]
        Mean of each client's last five accuracies.
    uplink_bytes, downlink_bytes : tuple[int, ...], tuple[int, ...]
        Of each reply after training.
    exchanged : int
        Bytes up and down of all clients and rounds.
    seconds, device_seconds : float, float
        Wall time of all rounds on the server, without waiting for clients to connect, and of all
        clients' turns on their devices.
    cpu_seconds : float | None
        Processor time of all clients' turns; ``None`` unless every device told it.
    """

    curve: tuple[Point, ...]
    clients: Mapping[int, float]
    uplink_bytes: tuple[int, ...]
    downlink_bytes: tuple[int, ...]
    exchanged: int
    seconds: float
    device_seconds: float
    cpu_seconds: float | None

    @property
    def last(self) -> float | None:
        """Accuracy of the last round that has one."""
        return self.curve[-1].accuracy if self.curve else None

    @property
    def worst(self) -> float | None:
        """Lowest accuracy of a client in the last round that has one."""
        return self.curve[-1].worst if self.curve else None

    @property
    def settled(self) -> float | None:
        """Mean accuracy of the last five rounds that have one."""
        return fmean(p.accuracy for p in self.curve[-NUM_LAST:]) if self.curve else None

    def reaching(self, accuracy: float) -> Point | None:
        """Return the first round in which the mean accuracy is at least this."""
        return next((point for point in self.curve if point.accuracy >= accuracy), None)


def measure(run: RunRecord) -> RunMeasures:
    """Return a run in numbers."""
    trained = run.trained()
    return RunMeasures(
        curve=_curve(run),
        clients=_settled_clients(run),
        uplink_bytes=tuple(node.uplink_bytes for node in trained),
        downlink_bytes=tuple(node.downlink_bytes for node in trained),
        exchanged=sum(line.uplink_bytes + line.downlink_bytes for line in run.rounds),
        seconds=sum(map(_seconds, run.rounds)),
        device_seconds=sum(
            node.seconds.get("total", 0.0) for line in run.rounds for node in line.answered.values()
        ),
        cpu_seconds=_cpu_seconds(run),
    )


def typical(sizes: tuple[int, ...]) -> float | None:
    """Return the median; ``None`` without a reply."""
    return median(sizes) if sizes else None


def _curve(run: RunRecord) -> tuple[Point, ...]:
    exchanged, seconds, points = 0, 0.0, []
    for line in run.rounds:
        exchanged += line.uplink_bytes + line.downlink_bytes
        seconds += _seconds(line)
        if line.accuracy is not None:
            told = [node.accuracy for node in line.answered.values()]
            worst = min((one for one in told if one is not None), default=line.accuracy)
            points.append(Point(line.round_number, line.accuracy, worst, exchanged, seconds))
    return tuple(points)


def _seconds(line: RoundLine) -> float:
    # How long clients take to connect tells of how a run was started, not of its method.
    return line.seconds.get("total", 0.0) - line.seconds.get("wait", 0.0)


def _settled_clients(run: RunRecord) -> dict[int, float]:
    told: dict[int, list[float]] = {}
    for line in run.rounds:
        for client, node in line.answered.items():
            if node.accuracy is not None:
                told.setdefault(client, []).append(node.accuracy)
    return {client: fmean(values[-NUM_LAST:]) for client, values in sorted(told.items())}


def _cpu_seconds(run: RunRecord) -> float | None:
    told = [node.figures.get(CPU_FIGURE) for line in run.rounds for node in line.answered.values()]
    # A device that cannot tell its own part says 0.
    known = [seconds for seconds in told if seconds]
    return sum(known) if known and len(known) == len(told) else None
