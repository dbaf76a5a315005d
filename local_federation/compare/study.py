"""What is compared: methods, seeds and settings, and the runs that follow from them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import final

from local_federation import this_machine
from local_federation.baselines import baseline_of
from server_app.half import open_settings
from strategies import methods, tables
from strategies.common.errors import SettingsError
from strategies.common.run_config import default_config, known_name
from strategies.common.settings_changes import check_known

Value = bool | int | float | str
# What a comparison decides for each of its runs.
_OWN = (
    "method",
    "seed",
    "run-name",
    "runs-dir",
    "state-dir",
    "min-nodes",
    "compare-with",
    "resume",
    "resume-from",
)
_BASELINE = "alone"
_LONGEST_VALUE = 40


@final
@dataclass(frozen=True, eq=False)
class PlannedRun:
    """A run of a comparison.

    Attributes
    ----------
    name : str
        Names the method, the settings that are varied, and the seed.
    settings : Mapping[str, Value]
        All that differs from the defaults, flat.
    """

    name: str
    settings: Mapping[str, Value]

    @property
    def method(self) -> str:
        """Its method."""
        return str(self.settings["method"])


@final
@dataclass(frozen=True)
class Study:
    """Methods x seeds x settings.

    Attributes
    ----------
    method_names : tuple[str, ...]
        Methods, in the order of the user.
    seeds : tuple[int, ...]
        Each decides partition, initial weights and every draw.
    grid : Mapping[str, tuple[Value, ...]]
        Values of each setting that is varied; a method's own settings are varied for it alone.
    settings : Mapping[str, Value]
        Settings of all runs that differ from the defaults.

    Raises
    ------
    SettingsError
        If a method or setting is unknown, a value is out of range, or the methods' clients do
        not learn the same kind of thing.
    NectarError
        If this machine lacks what a setting names.
    """

    method_names: tuple[str, ...]
    seeds: tuple[int, ...]
    grid: Mapping[str, tuple[Value, ...]]
    settings: Mapping[str, Value]

    def __post_init__(self) -> None:
        for name in self.method_names:
            known_name("--methods", name, methods.METHODS)
        check_known((*self.settings, *self.grid))
        for key in (*self.settings, *self.grid):
            if key in _OWN:
                raise SettingsError(
                    f"setting {key}: expected none, since a comparison sets it for each run; see "
                    f"--methods, --seeds, --folder and --name"
                )
        if both := sorted(set(self.settings) & set(self.grid)):
            raise SettingsError(f"{both[0]}: expected in --set or in --grid, got it in both")
        if len({_kind(name) for name in self.method_names}) > 1:
            told = ", ".join(f"{name} ({_kind(name)})" for name in self.method_names)
            raise SettingsError(
                f"--methods: expected methods whose clients learn alike, got {told}; compare "
                f"each kind on its own"
            )
        for run in self.runs():
            config = {**default_config(), **run.settings, "run-name": run.name}
            methods.method_settings(open_settings(config).method, config)
            this_machine.check(config)
        self._check_read()

    def _check_read(self) -> None:
        """Refuse what none of the runs reads; a setting that is varied may not vanish either."""
        played = [{**default_config(), **run.settings} for run in self.runs()]
        tables.check_read(self.settings, played)
        for key, values in self.grid.items():
            for value in values:
                tables.check_read({key: value}, played)

    def runs(self) -> tuple[PlannedRun, ...]:
        """Return every run once, seed by seed, each seed's baseline first."""
        found: dict[str, PlannedRun] = {}
        for seed in self.seeds:
            for run in self._of_seed(seed):
                if found.setdefault(run.name, run).settings != run.settings:
                    raise SettingsError(
                        f"--grid: expected values that differ in letters and digits, got two whose "
                        f"runs would both be named {run.name}"
                    )
        return tuple(found.values())

    def _of_seed(self, seed: int) -> Iterator[PlannedRun]:
        for name in self.method_names:
            if (baseline := baseline_of(name)) is not None:
                own = dict(baseline)
                method = str(own.pop("method"))
                yield from self._of_method(method, seed, own)
        for name in self.method_names:
            yield from self._of_method(name, seed, {})

    def _of_method(self, method: str, seed: int, own: Mapping[str, Value]) -> Iterator[PlannedRun]:
        varied = [key for key in self.grid if methods.reads(method, key) and key not in own]
        title = _BASELINE if own else method
        for values in product(*(self.grid[key] for key in varied)):
            chosen = dict(zip(varied, values, strict=True))
            told = [f"{_short(key, varied)}={_plain(value)}" for key, value in chosen.items()]
            settings = {**self.settings, **own, **chosen, "method": method, "seed": seed}
            yield PlannedRun("-".join([title, *told, f"seed{seed}"]), settings)


def _kind(method: str) -> str:
    if methods.exchanges(method):
        return "activations of a split network"
    return "adapters" if methods.adapts(method) else "whole models"


def _short(key: str, others: Sequence[str]) -> str:
    """Return a setting's name without its table, where that tells it from the others."""
    last = key.rpartition(".")[2]
    return last if sum(other.rpartition(".")[2] == last for other in others) == 1 else key


def _plain(value: Value) -> str:
    """Write a value so that it can stand in a run's name; of a long one, a path maybe, the end."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return re.sub(r"[^A-Za-z0-9.,+_-]", "_", text)[-_LONGEST_VALUE:]
