"""What limits a comparison: in what else its runs differ, and what is missing."""

from collections.abc import Iterator, Sequence
from itertools import combinations

from server_app.compare.arms import Arm, written
from server_app.compare.measures import NUM_LAST
from server_app.compare.words import of_seeds
from server_app.comparison import classified_by
from server_app.run_record import RunRecord
from strategies.methods import display_name

_MAX_NAMED = 6


def caveats(arms: Sequence[Arm]) -> list[str]:
    """Return what a reader must know before trusting a comparison, in sentences."""
    return [
        *_unlike_settings(arms),
        *_unlike_tests(arms),
        *_unlike_clients(arms),
        *_unlike_versions(arms),
        *_seeds(arms),
        *_short(arms),
        *_failures(arms),
        *(told for arm in arms for run in arm.runs.values() for told in _unfinished(run)),
        *(told for arm in arms for run in arm.runs.values() for told in _amiss(run)),
    ]


def _unlike_settings(arms: Sequence[Arm]) -> Iterator[str]:
    """Name settings of which the methods do not have the same values.

    Values that differ between rows of one method alike in all methods are what is compared.
    """
    methods = list(dict.fromkeys(arm.method for arm in arms))
    unlike = sorted({key for one, other in combinations(arms, 2) for key in one.unlike(other)})
    for key in unlike:
        values = {
            method: sorted(
                {
                    written(arm.settings[key])
                    for arm in arms
                    if arm.method == method and key in arm.settings
                }
            )
            for method in methods
        }
        if len({tuple(found) for found in values.values() if found}) > 1:
            told = "; ".join(
                f"{display_name(method)} {' and '.join(found)}"
                for method, found in values.items()
                if found
            )
            yield f"The methods were not run with the same {key}: {told}."


def _unlike_tests(arms: Sequence[Arm]) -> Iterator[str]:
    """Name what picks a class in the tests of each row, where that is not the same."""
    rows: dict[str, list[str]] = {}
    for arm in arms:
        for picks in dict.fromkeys(classified_by(run) for run in arm.runs.values()):
            rows.setdefault(picks, []).append(arm.label)
    if len(rows) > 1:
        told = "; ".join(f"{', '.join(labels)} by {picks}" for picks, labels in rows.items())
        yield f"Test samples are not classified alike: {told}."


def _unlike_clients(arms: Sequence[Arm]) -> Iterator[str]:
    """Name pairs of runs of one seed whose clients hold other samples or models."""
    unlike = []
    for one, other in combinations(arms, 2):
        if not one.same_task(other):
            continue
        seeds = [s for s in one.runs if s in other.runs]
        if any(_differ(one.runs[seed], other.runs[seed]) for seed in seeds):
            unlike.append(f"{one.label} and {other.label}")
    if unlike:
        yield (
            f"With the same seed the clients do not have the same models and sample counts: "
            f"{_named(unlike)}."
        )


def _differ(run: RunRecord, other: RunRecord) -> bool:
    mine, theirs = (
        {n: (c.model, c.own_samples, c.test_samples) for n, c in one.clients.items()}
        for one in (run, other)
    )
    return bool(mine) and bool(theirs) and mine != theirs


def _unlike_versions(arms: Sequence[Arm]) -> Iterator[str]:
    runs = [run for arm in arms for run in arm.runs.values()]
    keys = sorted({k for run in runs for k in run.settings if k.startswith("versions.")})
    for key in keys:
        found = sorted({written(run.settings.get(key, "unknown")) for run in runs})
        if len(found) > 1:
            name = key.removeprefix("versions.")
            yield f"The runs do not have the same {name}: {', '.join(found)}."


def _seeds(arms: Sequence[Arm]) -> Iterator[str]:
    if len({tuple(arm.runs) for arm in arms}) > 1:
        told = "; ".join(f"{arm.label} {', '.join(map(str, arm.runs))}" for arm in arms)
        yield f"Not all rows have the same seeds; differences are between seeds of both. {told}."
    single = [arm.label for arm in arms if len(arm.runs) == 1]
    if single:
        yield f"One seed, hence no spread: {_named(single)}."
    elif min(len(arm.runs) for arm in arms) == 2:
        yield f"{of_seeds(2).capitalize()} make very wide intervals; three or more tell far more."


def _short(arms: Sequence[Arm]) -> Iterator[str]:
    longest = max(len(run.rounds) for arm in arms for run in arm.runs.values())
    if 0 < longest < 2 * NUM_LAST:
        rounds = "1 round" if longest == 1 else f"{longest} rounds"
        yield (
            f"With {rounds} at most, the last {NUM_LAST} are a great part of the way: they tell of "
            f"how fast a method learns as much as of where it ends."
        )


def _unfinished(run: RunRecord) -> Iterator[str]:
    asked, done = run.settings.get("rounds"), len(run.rounds)
    if not done:
        yield f"{run.name} has no complete round."
    elif run.stop:
        yield f"{run.name} {run.stop}."
    elif isinstance(asked, int) and run.rounds[-1].round_number < asked:
        yield f"{run.name} ends after round {run.rounds[-1].round_number} of {asked}."
    if run.rounds and run.last is None:
        yield f"No client of {run.name} reported an accuracy."
    elif run.last is not None and run.last is not run.rounds[-1]:
        yield f"The last round of {run.name} that has an accuracy is {run.last.round_number}."


def _failures(arms: Sequence[Arm]) -> Iterator[str]:
    lost = {
        run.name: sum(len(line.failures) for line in run.rounds)
        for arm in arms
        for run in arm.runs.values()
    }
    total = sum(lost.values())
    if total:
        replies = "reply was" if total == 1 else "replies were"
        told = _named([f"{name} {count}" for name, count in lost.items() if count])
        yield f"{total} {replies} lost to failures; rounds.csv has the reasons: {told}."


def _amiss(run: RunRecord) -> Iterator[str]:
    yield from (f"{run.name}: {note}" for note in run.notes)
    if run.last is not None:
        told = sum(node.accuracy is not None for node in run.last.answered.values())
        if told < len(run.clients):
            yield f"{run.name}: {told} of {len(run.clients)} clients are in its last accuracy."


def _named(names: Sequence[str]) -> str:
    rest = len(names) - _MAX_NAMED
    return "; ".join(names[:_MAX_NAMED]) + (f"; and {rest} more" if rest > 0 else "")
