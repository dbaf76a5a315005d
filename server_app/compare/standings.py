"""How every row of a comparison stands: over its seeds, and beside the clients alone."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final, final

from server_app.compare.arms import Arm, baseline_of
from server_app.compare.intervals import Paired, Spread, paired, spread
from server_app.compare.measures import Point, RunMeasures, measure

# Part of the lowest row's last accuracy which rounds and bytes are counted to, unless asked.
REACH: Final = 0.95


@final
@dataclass(frozen=True)
class Standing:
    """A row in numbers.

    Attributes
    ----------
    arm : Arm
        The row.
    measures : Mapping[int, RunMeasures]
        Its runs by seed.
    baseline : Arm | None
        The row of clients alone that it is held against.
    difference : Paired | None
        Accuracy less the baseline's of the same seed, as means of the last five rounds;
        ``None`` where no seed has both.
    gains : Mapping[int, float]
        The same for each client, as a mean over seeds.
    """

    arm: Arm
    measures: Mapping[int, RunMeasures]
    baseline: Arm | None
    difference: Paired | None
    gains: Mapping[int, float]

    def over_seeds(self, value: Callable[[RunMeasures], float | None]) -> Spread | None:
        """Return mean and spread of a number over the seeds that have it."""
        told = (value(run) for run in self.measures.values())
        return spread([one for one in told if one is not None])

    @property
    def settled(self) -> Spread | None:
        """Mean and spread of the accuracy of the last five rounds."""
        return self.over_seeds(lambda run: run.settled)

    def reaching(self, accuracy: float) -> list[Point]:
        """Return where each seed that reaches an accuracy does so first."""
        found = (run.reaching(accuracy) for run in self.measures.values())
        return [point for point in found if point is not None]

    def gained(self) -> tuple[int, int, int]:
        """Return how many clients are above the baseline, below it, and level with it."""
        above = sum(gain > 0 for gain in self.gains.values())
        below = sum(gain < 0 for gain in self.gains.values())
        return above, below, len(self.gains) - above - below


def standings(arms: Sequence[Arm]) -> tuple[Standing, ...]:
    """Return every row in numbers, in the order given."""
    measured = [{seed: measure(run) for seed, run in arm.runs.items()} for arm in arms]
    found = []
    for arm, own in zip(arms, measured, strict=True):
        base = baseline_of(arm, arms)
        theirs = measured[list(arms).index(base)] if base is not None else {}
        found.append(
            Standing(arm, own, base, paired(_differences(own, theirs)), _gains(own, theirs))
        )
    return tuple(found)


def default_reach(rows: Sequence[Standing]) -> float | None:
    """Return the accuracy to which rounds and bytes are counted unless one was asked for.

    Returns
    -------
    float | None
        95% of what the lowest row has after its last round, cut to three digits, so that
        every row can reach it; ``None`` where no row has an accuracy.
    """
    told = (row.over_seeds(lambda run: run.last) for row in rows)
    lowest = min((one.mean for one in told if one is not None), default=None)
    return None if lowest is None else math.floor(lowest * REACH * 1000) / 1000


def leader(rows: Sequence[Standing]) -> Standing | None:
    """Return the row that is above each other row by more than chance; ``None`` without one.

    Rows on other data, clients or models are never ranked. The interval of its
    difference to each of them, paired by seed, must lie above zero.
    """
    ranked = sorted(
        ((row.settled.mean, row) for row in rows if row.settled is not None),
        key=lambda one: -one[0],
    )
    if len(ranked) < 2 or len(ranked) < len(rows):
        return None
    first, *others = (row for _, row in ranked)
    if not all(first.arm.same_task(other.arm) for other in others):
        return None
    against = (paired(_differences(first.measures, other.measures)) for other in others)
    return first if all(one is not None and one.sign > 0 for one in against) else None


def _differences(own: Mapping[int, RunMeasures], theirs: Mapping[int, RunMeasures]) -> list[float]:
    pairs = ((own[seed].settled, theirs[seed].settled) for seed in own if seed in theirs)
    return [mine - other for mine, other in pairs if mine is not None and other is not None]


def _gains(own: Mapping[int, RunMeasures], theirs: Mapping[int, RunMeasures]) -> dict[int, float]:
    told: dict[int, list[float]] = {}
    for seed in own:
        for client, accuracy in own[seed].clients.items():
            if seed in theirs and client in theirs[seed].clients:
                told.setdefault(client, []).append(accuracy - theirs[seed].clients[client])
    return {client: round(fmean(gains), 9) for client, gains in sorted(told.items())}
