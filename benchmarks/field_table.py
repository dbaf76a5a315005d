"""One table of the methods that the field compares, on one set of data, tuned alike.

Each method is tuned by four runs of half the rounds on a validation share of a seed that no table
has: two learning rates by two values of a setting of its own, or four learning rates where it has
none worth varying. The best is played with the seeds of the table, without a validation share, and
read at the last round. Local is tuned and played alike, and once more with two passes in each
round, since methods with a second network cost up to twice as much.

Run with ``python -m benchmarks.field_table CASE FOLDER --data SPEC`` where CASE is ``har``,
``news``, ``mnist`` or ``cifar10``. What is there already is not played again.
"""

import argparse
import shutil
import statistics
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks.field_cases import CASES, Case, Value
from benchmarks.results import complete, over_seeds, show_tables
from local_federation.campaign import Campaign
from local_federation.home import Home
from server_app.run_record import RunRecord, read_run_record
from strategies.methods import display_name

_TUNED_BY: Final = 100
_LOCAL: Final = "local"
_TWICE: Final = "local-twice"
_PLAIN_FEDKTL: Final = "fedktl-alone"
_COLUMNS: Final = (
    "method",
    "last round",
    "to Local",
    "to Local, two passes",
    "worst client",
    "MB up",
    "down",
    "CPU-s a round",
    "tuned to",
)
_TITLES: Final = {_TWICE: "Local, two passes", _PLAIN_FEDKTL: "FedKTL, no generator"}


_RATES: Final = (0.02, 0.1)
_MORE_RATES: Final = (0.01, 0.02, 0.05, 0.1)
# A setting of each method's own, with the values that are tried; none tries more learning rates.
METHODS: Final[Mapping[str, Mapping[str, Sequence[Value]]]] = {
    _LOCAL: {},
    "lgfedavg": {},
    "fd": {"fd.distillation-weight": (0.1, 1.0)},
    "dsfl": {"dsfl.distill-learning-rate": (0.02, 0.1)},
    "fedproto": {"fedproto.proto-weight": (1.0, 10.0)},
    "fedtgp": {"fedtgp.proto-weight": (1.0, 10.0)},
    "fedgh": {"fedgh.server-learning-rate": (0.01, 0.1)},
    "fml": {"fml.label-weight": (0.5, 0.9)},
    "fedkd": {},
    "fedmrl": {"fedmrl.shared-dim": (64, 128)},
    "fedl2g": {"fedl2g.server-learning-rate": (1.0, 100.0)},
    "fedgen": {"fedgen.mode": ("paper", "official")},
    _PLAIN_FEDKTL: {"fedktl.margin": (0.2, 0.5)},
    "fedktl": {"fedktl.transfer-weight": (1.0, 50.0)},
}
_ALWAYS: Final[Mapping[str, Mapping[str, Value]]] = {
    # With all open samples, five times each, nearly all computing would be theirs.
    "dsfl": {"dsfl.samples-per-round": 200, "dsfl.distill-epochs": 2},
    "fedgen": {"fedgen.sharing": "head"},
    "fedl2g": {"fedl2g.warm-up-rounds": 2},
    _PLAIN_FEDKTL: {"method": "fedktl", "fedktl.transfer-weight": 0.0},
}


def main() -> None:
    """Tune, play what is missing and write the table."""
    options = _options()
    case, console = CASES[options.case], Console()
    # Each case's own: runs of all have the same names.
    folder = options.folder.resolve() / options.case
    others = [name for name in options.methods if name != "fedktl" or case.has_images]
    names = list(dict.fromkeys((_LOCAL, *others)))
    tuned = {name: _tuned(case, folder, options, name, console) for name in names}
    runs: dict[str, dict[str, Value]] = {}
    for name, seed in product((*names, _TWICE), options.seeds):
        chosen = tuned[_LOCAL] if name == _TWICE else tuned[name]
        more: dict[str, Value] = {"local-epochs": 2} if name == _TWICE else {}
        runs[f"{name}-seed-{seed}"] = {**chosen, **more, "seed": seed}
    _play(case, folder / "played", options, runs, console, case.rounds)
    read = {
        name: [read_run_record(folder / "played" / f"{name}-seed-{seed}") for seed in options.seeds]
        for name in (*names, _TWICE)
    }
    titles, *rows = table(read, tuned, case.clients)
    name = f"field_{options.case}"
    show_tables(console, {name: (titles, rows)}, write=options.write)


def table(
    read: Mapping[str, Sequence[RunRecord]],
    tuned: Mapping[str, Mapping[str, Value]],
    clients: int,
) -> list[list[str]]:
    """Return titles and rows, of which each method's runs are of the same seeds.

    Where clients failed in a last round, the row says how few are in it.
    """
    lines = [list(_COLUMNS)]
    ends = {name: [_end(run) for run in runs] for name, runs in read.items()}
    for name, runs in read.items():
        base = _LOCAL if name == _TWICE else name
        own = ("learning-rate", *METHODS[base])
        told = ", ".join(f"{key}={tuned[base][key]}" for key in own)
        title = _TITLES.get(name) or display_name(name)
        fewest = min(len(run.rounds[-1].answered) for run in runs)
        if fewest < clients:
            title += f" ({fewest} of {clients} clients)"
        worst = [min(n.accuracy or 0.0 for n in r.rounds[-1].answered.values()) for r in runs]
        cells = [
            title,
            over_seeds(ends[name]),
            _apart(ends[name], ends[_LOCAL]),
            _apart(ends[name], ends[_TWICE]),
            over_seeds(worst),
            *(f"{_megabytes(runs, way):.3g}" for way in ("uplink_bytes", "downlink_bytes")),
            f"{_cpu_seconds(runs):.1f}",
            told,
        ]
        lines.append(cells)
    return lines


def _end(run: RunRecord) -> float:
    return run.rounds[-1].accuracy or 0.0


def _apart(own: Sequence[float], other: Sequence[float]) -> str:
    """Return the mean of paired differences in points, and their range."""
    found = [100 * (one - two) for one, two in zip(own, other, strict=True)]
    return f"{statistics.mean(found):+.1f} ({min(found):+.1f} to {max(found):+.1f})"


def _megabytes(runs: Sequence[RunRecord], way: str) -> float:
    """Return what all clients send or receive in a round, on average."""
    rounds = [line for run in runs for line in run.rounds]
    total: float = sum(getattr(line, way) for line in rounds)
    return total / len(rounds) / 1e6


def _cpu_seconds(runs: Sequence[RunRecord]) -> float:
    """Return what all clients compute in a round, on average."""
    rounds = [line for run in runs for line in run.rounds]
    spent = (n.figures.get("cpu_s", 0.0) for line in rounds for n in line.answered.values())
    return sum(spent) / len(rounds)


def _tuned(
    case: Case, folder: Path, options: argparse.Namespace, name: str, console: Console
) -> dict[str, Value]:
    """Return the settings of a method with which its validation samples fare best."""
    own = METHODS[name]
    rates = _RATES if own else _MORE_RATES
    opened = case.opened(folder) if name == "dsfl" else {}
    tried: dict[str, dict[str, Value]] = {}
    for rate, *values in product(rates, *own.values()):
        chosen: dict[str, Value] = {"learning-rate": rate, **dict(zip(own, values, strict=True))}
        word = "-".join(str(value) for value in (name, *chosen.values()))
        tried[word] = {"method": name, **_ALWAYS.get(name, {}), **opened, **chosen}
    validating: dict[str, Value] = {"seed": _TUNED_BY, "validation-share": 0.2}
    runs = {word: {**one, **validating} for word, one in tried.items()}
    _play(case, folder / "tuning", options, runs, console, case.rounds // 2)

    def reached(word: str) -> float:
        """Return the accuracy of the last round, in which who failed has nothing right."""
        last = read_run_record(folder / "tuning" / word).rounds[-1]
        return (last.validation_accuracy or 0.0) * len(last.answered) / case.clients

    return tried[max(tried, key=reached)]


def _play(
    case: Case,
    folder: Path,
    options: argparse.Namespace,
    runs: Mapping[str, Mapping[str, Value]],
    console: Console,
    rounds: int,
) -> None:
    settings: dict[str, Value] = {
        **case.settings,
        **case.data(options.data, folder.parent),
        "feature-dim": 256,
        "rounds": rounds,
        "evaluate-every": 1,
        "writers": "",
        "device": "cpu",
    }
    missing = {
        name: dict(own)
        for name, own in runs.items()
        if not complete(folder / name, {**settings, **own})
    }
    if missing:
        campaign = Campaign(folder, case.clients, "engine", settings, replace=True)
        campaign.play(missing, console)
    # Journals are all that is read again, and the clients' models of all runs fill a disk.
    for name in runs:
        shutil.rmtree(Home(folder, (name,)).state / name, ignore_errors=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=list(CASES))
    parser.add_argument("folder", type=Path, help="where to keep runs")
    parser.add_argument("--data", required=True, help="as of the setting data")
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--write", action="store_true", help="into docs/results.md")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    return parser.parse_args()


if __name__ == "__main__":
    main()
