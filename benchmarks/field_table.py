"""One table of the methods that the field compares, on one set of data, tuned alike.

Each method is tuned by four runs on a validation share of a seed that no table has: two learning
rates by two values of a setting of its own, or four learning rates where it has none worth varying.
The best is played with the seeds of the table, without a validation share, and read at the last
round. Local is tuned and played alike, and once more with two passes in each round, since methods
with a second network cost up to twice as much.

Run with ``python -m benchmarks.field_table CASE FOLDER --data SPEC`` where CASE is ``har``,
``news``, ``mnist`` or ``cifar10``. What is there already is not played again. The table is printed.
"""

import argparse
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final, final

from rich.console import Console

from benchmarks.peer_networks import FAMILY
from benchmarks.results import complete, over_seeds
from local_federation.campaign import Campaign
from server_app.run_record import RunRecord, read_run_record
from strategies.methods import display_name

Value = bool | int | float | str

_TUNED_BY: Final = 100
_LOCAL: Final = "local"
_TWICE: Final = "local-twice"


@final
@dataclass(frozen=True)
class Case:
    """A federation.

    Attributes
    ----------
    clients, rounds : int
        How many.
    settings : Mapping[str, Value]
        What makes it.
    has_open_data : bool
        Whether a part of the data is kept open, for methods that ask for it.
    """

    clients: int
    rounds: int
    settings: Mapping[str, Value]
    has_open_data: bool = False


_SENSORS: Final = "sensor_cnn1,sensor_cnn,sensor_cnn3,sensor_resnet,sensor_gru"
_READERS: Final = "fasttext,text_cnn,text_lstm,text_transformer"
CASES: Final[Mapping[str, Case]] = {
    "har": Case(5, 20, {"models": _SENSORS, "batch-size": 16, "normalise": "channels"}),
    "news": Case(
        10,
        15,
        {
            "models": _READERS,
            "batch-size": 16,
            "partition": "dirichlet",
            "dirichlet-alpha": 0.5,
            "label-column": "1",
            "vocabulary": 4096,
            "text-length": 48,
        },
        has_open_data=True,
    ),
    "mnist": Case(20, 20, {"models": FAMILY, "batch-size": 10}),
    "cifar10": Case(
        10,
        20,
        {"models": "cnn,resnet4,resnet8,resnet10", "partition": "dirichlet", "batch-size": 32},
        has_open_data=True,
    ),
}
_OPEN_SAMPLES: Final = 1000
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
    "fedktl": {"fedktl.transfer-weight": (0.1, 1.0)},
}
_ALWAYS: Final[Mapping[str, Mapping[str, Value]]] = {
    "fedgen": {"fedgen.sharing": "head"},
    "fedl2g": {"fedl2g.warm-up-rounds": 2},
}


def main() -> None:
    """Tune, play what is missing and write the table."""
    options = _options()
    case, console, folder = CASES[options.case], Console(), options.folder.resolve()
    names = [name for name in METHODS if name != "dsfl" or case.has_open_data]
    tuned = {name: _tuned(case, folder, options, name, console) for name in names}
    runs: dict[str, dict[str, Value]] = {}
    for name, seed in product((*names, _TWICE), options.seeds):
        chosen = tuned[_LOCAL] if name == _TWICE else tuned[name]
        more: dict[str, Value] = {"local-epochs": 2} if name == _TWICE else {}
        runs[f"{name}-seed-{seed}"] = {**chosen, **more, "seed": seed}
    _play(case, folder / "played", options, runs, console)
    read = {
        name: [read_run_record(folder / "played" / f"{name}-seed-{seed}") for seed in options.seeds]
        for name in (*names, _TWICE)
    }
    for line in table(read, tuned):
        console.print(line, highlight=False, soft_wrap=True)


def table(
    read: Mapping[str, Sequence[RunRecord]], tuned: Mapping[str, Mapping[str, Value]]
) -> list[str]:
    """Return the table's lines, of which each method's runs are of the same seeds."""
    lines = [
        "| method | last round | to Local | to Local, two passes | worst client | MB up | down "
        "| s a round | tuned to |",
        "| :--- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | :--- |",
    ]
    ends = {name: [_end(run) for run in runs] for name, runs in read.items()}
    for name, runs in read.items():
        base = _LOCAL if name == _TWICE else name
        told = ", ".join(f"{key}={value}" for key, value in tuned[base].items() if key != "method")
        title = "Local, two passes" if name == _TWICE else display_name(name)
        worst = [min(n.accuracy or 0.0 for n in r.rounds[-1].answered.values()) for r in runs]
        cells = (
            over_seeds(ends[name]),
            _apart(ends[name], ends[_LOCAL]),
            _apart(ends[name], ends[_TWICE]),
            over_seeds(worst),
            *(f"{_megabytes(runs, way):.2f}" for way in ("uplink_bytes", "downlink_bytes")),
            f"{_seconds(runs):.1f}",
            told,
        )
        lines.append(f"| {title} | {' | '.join(cells)} |")
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
    total: float = sum(getattr(n, way) for line in rounds for n in line.answered.values())
    return total / len(rounds) / 1e6


def _seconds(runs: Sequence[RunRecord]) -> float:
    """Return how long all clients train and test in a round, on average, on one thread each."""
    rounds = [line for run in runs for line in run.rounds]
    spent = (n.seconds.get("total", 0.0) for line in rounds for n in line.answered.values())
    return sum(spent) / len(rounds)


def _tuned(
    case: Case, folder: Path, options: argparse.Namespace, name: str, console: Console
) -> dict[str, Value]:
    """Return the settings of a method with which its validation samples fare best."""
    own = METHODS[name]
    rates = _RATES if own else _MORE_RATES
    tried: dict[str, dict[str, Value]] = {}
    for rate, *values in product(rates, *own.values()):
        chosen: dict[str, Value] = {"learning-rate": rate, **dict(zip(own, values, strict=True))}
        word = "-".join(str(value) for value in (name, *chosen.values()))
        tried[word] = {"method": name, **_ALWAYS.get(name, {}), **chosen}
    validating: dict[str, Value] = {"seed": _TUNED_BY, "validation-share": 0.2}
    runs = {word: {**one, **validating} for word, one in tried.items()}
    _play(case, folder / "tuning", options, runs, console)

    def reached(word: str) -> float:
        return read_run_record(folder / "tuning" / word).rounds[-1].validation_accuracy or 0.0

    return tried[max(tried, key=reached)]


def _play(
    case: Case,
    folder: Path,
    options: argparse.Namespace,
    runs: Mapping[str, Mapping[str, Value]],
    console: Console,
) -> None:
    missing = {n: dict(own) for n, own in runs.items() if not complete(folder / n, case.rounds)}
    if not missing:
        return
    settings: dict[str, Value] = {
        **case.settings,
        "data": options.data,
        "feature-dim": 256,
        "rounds": case.rounds,
        "evaluate-every": 1,
        "writers": "",
        "device": "cpu",
    }
    if case.has_open_data:
        settings |= {"open-data": options.data, "open-samples": _OPEN_SAMPLES}
    Campaign(folder, case.clients, "engine", settings, replace=True).play(missing, console)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=list(CASES))
    parser.add_argument("folder", type=Path, help="where to keep runs")
    parser.add_argument("--data", required=True, help="as of the setting data")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    return parser.parse_args()


if __name__ == "__main__":
    main()
