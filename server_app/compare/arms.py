"""The rows of a comparison: runs of one method and one choice of settings are its seeds."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from server_app.compare.task import CLIENTS, of_task
from server_app.comparison import NEUTRAL_SETTINGS, run_title
from server_app.run_record import RunRecord, read_run_record
from server_app.shared_settings import is_shared, reads_shared
from strategies.common.errors import RunFolderError
from strategies.common.presentation import Setting
from strategies.methods import METHODS

# Besides what a run is called: how many nodes it waits for, and where they meet.
_APART: Final = frozenset({"seed", "min-nodes", "min-replies"}) | {
    f"split.{key}" for key in ("advertise", "certificate", "host", "key", "port")
}
# What clients that learn alone do not read.
_UNREAD_ALONE: Final = frozenset({"server-device", "wire-dtype"})
# What a run is called, and where it lies: no two runs are told apart by that.
_PLACES: Final = frozenset(
    {"method", "run-name", "runs-dir", "state-dir", "compare-with", "resume", "resume-from", "seed"}
)
# What runs have in common and may tell them from others, and the runs.
_Row = tuple[dict[str, Setting], list[RunRecord]]


@final
@dataclass(frozen=True)
class Arm:
    """One row of a comparison.

    Attributes
    ----------
    method, label : str, str
        Name of the method, and what to call the row: the method as its paper writes it, with
        those settings in which rows of the same method differ.
    settings : Mapping[str, Setting]
        What its runs have in common and may tell it from other rows, with ``"clients"``.
    runs : Mapping[int, RunRecord]
        Runs by seed, sorted.
    """

    method: str
    label: str
    settings: Mapping[str, Setting]
    runs: Mapping[int, RunRecord]

    @property
    def alone(self) -> bool:
        """Whether no client learns from another, so that other rows are held against this."""
        return all(run.presentation.alone for run in self.runs.values())

    def unlike(self, other: "Arm") -> list[str]:
        """Return the settings that both rows read and in which they differ."""
        unread = _UNREAD_ALONE if self.alone or other.alone else frozenset()
        methods = self.method, other.method
        keys = (k for k in self.settings if k in other.settings and k not in unread)
        unlike = (key for key in keys if self.settings[key] != other.settings[key])
        return sorted(key for key in unlike if is_shared(key, methods))

    def other_task(self, other: "Arm") -> list[str]:
        """Return the settings by which the rows are of two tasks, whose accuracies none ranks."""
        return of_task(self.unlike(other), self.settings, other.settings)

    def same_task(self, other: "Arm") -> bool:
        """Tell whether both rows learn the same, on the same data, clients and models."""
        return not self.other_task(other)


def read_arms(run_dirs: Sequence[Path]) -> tuple[Arm, ...]:
    """Read runs and gather them into rows, those that learn alone first.

    Parameters
    ----------
    run_dirs : Sequence[Path]
        Folders, in any order; a folder given twice counts once.

    Raises
    ------
    RunFolderError
        If there is no folder, one cannot be read, or two are the same row and seed.
    """
    records = [read_run_record(folder) for folder in sorted({d.resolve() for d in run_dirs})]
    if not records:
        raise RunFolderError("compare: expected folders of runs, got none; give at least one")
    alike = _gathered(records, lambda run: _identity(run, records))
    rows = [row for own, runs in alike for row in _split(own, runs)]
    tables = [own for own, _ in rows]
    arms = [
        Arm(runs[0].method, _label(runs[0], own, tables), own, _by_seed(runs)) for own, runs in rows
    ]
    return tuple(sorted(arms, key=_place))


def baseline_of(arm: Arm, arms: Sequence[Arm]) -> Arm | None:
    """Return the row of clients that learn alone which another row is held against.

    Returns
    -------
    Arm | None
        The first with the same values of all settings that both read; ``None`` for a row that
        learns alone itself, or where there is no such row.
    """
    if arm.alone:
        return None
    return next((one for one in arms if one.alone and not arm.unlike(one)), None)


def written(value: Setting) -> str:
    """Write a setting's value."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _gathered(
    runs: Iterable[RunRecord], identity: Callable[[RunRecord], Mapping[str, Setting]]
) -> list[_Row]:
    """Gather runs of one identity, in their order."""
    groups: dict[tuple[tuple[str, Setting], ...], list[RunRecord]] = {}
    for run in runs:
        groups.setdefault(tuple(sorted(identity(run).items(), key=_key)), []).append(run)
    return [(dict(own), found) for own, found in groups.items()]


def _split(own: Mapping[str, Setting], runs: Sequence[RunRecord]) -> list[_Row]:
    """Tell runs of one seed apart by whatever they differ in, though it should change no result.

    Somebody varied it, and has played the runs.
    """
    seeds: dict[Setting, list[RunRecord]] = {}
    for run in runs:
        seeds.setdefault(run.settings.get("seed", 0), []).append(run)
    varied = {
        key
        for first, *others in seeds.values()
        for other in others
        for key in {*first.settings, *other.settings}
        if first.settings.get(key) != other.settings.get(key)
    }
    keys = {key for key in varied - _PLACES if not key.startswith("versions.")}
    return _gathered(
        runs, lambda run: {**own, **{k: run.settings[k] for k in keys if k in run.settings}}
    )


def _identity(run: RunRecord, records: Iterable[RunRecord]) -> dict[str, Setting]:
    """Return all in which a run differs from runs that are no repetitions of it."""
    own = {k: v for k, v in run.settings.items() if _tells_apart(k, run)}
    known = {_clients(one) for one in records} - {0}
    # A run that ended before its clients were there takes the number that all others have.
    count = _clients(run) or (next(iter(known)) if len(known) == 1 else 0)
    return {**own, "method": run.method, CLIENTS: count}


def _tells_apart(key: str, run: RunRecord) -> bool:
    table, dot, _ = key.partition(".")
    if key in NEUTRAL_SETTINGS | _APART or table == "versions":
        return False
    if not dot:
        return not (run.presentation.alone and key == "generator")
    if run.presentation.alone:
        return table == run.method or reads_shared(run.method, key)
    return table == run.method or table not in METHODS


def _clients(run: RunRecord) -> int:
    return sum(client.clients for client in run.clients.values())


def _label(run: RunRecord, own: Mapping[str, Setting], tables: Iterable[dict[str, Setting]]) -> str:
    rivals = [table for table in tables if table["method"] == run.method]
    keys = sorted({key for table in rivals for key in table})
    differing = [k for k in keys if len({table.get(k) for table in rivals}) > 1]
    told = [
        f"{key.removeprefix(f'{run.method}.')} {written(own[key]) if key in own else 'unset'}"
        for key in differing
    ]
    title = run_title(run) or "unknown method"
    return f"{title} ({', '.join(told)})" if told else title


def _by_seed(runs: Iterable[RunRecord]) -> dict[int, RunRecord]:
    found: dict[int, RunRecord] = {}
    for run in runs:
        seed = run.settings.get("seed", 0)
        if not isinstance(seed, int):
            raise RunFolderError(
                f"{run.folder}/settings.toml seed: expected a whole number, got {seed!r}"
            )
        if seed in found:
            raise RunFolderError(
                f"compare: expected one run of each method, settings and seed, got two of "
                f"{run.method} with seed {seed}: {found[seed].folder} and "
                f"{run.folder}; leave one out"
            )
        found[seed] = run
    return dict(sorted(found.items()))


def _key(item: tuple[str, Setting]) -> str:
    return item[0]


def _place(arm: Arm) -> tuple[object, ...]:
    order = list(METHODS)
    place = order.index(arm.method) if arm.method in order else len(order)
    values = [
        (key, isinstance(value, str), 0 if isinstance(value, str) else value, str(value))
        for key, value in sorted(arm.settings.items(), key=_key)
    ]
    return not arm.alone, place, arm.method, values
