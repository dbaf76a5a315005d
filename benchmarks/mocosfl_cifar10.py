"""MocoSFL on CIFAR-10 with a hundred clients of at most two classes, as it comes out.

One simulated node carries all clients and exchanges activations with the server over the
stream; every step takes one sample of each client. ResNet-18 is thinned (``--width``) and
the steps are counted in hours instead of days, so numbers are far below the published ones.
Runs that are complete are kept, so that the benchmark can be stopped and started again.

Run with ``python -m benchmarks.mocosfl_cifar10 FOLDER``, where FOLDER holds CIFAR-10 in the
hub's parquet layout. Table and curve go into ``docs/results.md`` between their markers.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

from rich.console import Console

from benchmarks.raw_inputs import raw_beside
from benchmarks.results import RESULTS, complete, write_block
from local_federation.campaign import Campaign
from local_federation.host import Settings
from server_app.alone_baseline import RawBaseline
from server_app.journal import RoundLine
from server_app.run_record import RunRecord, read_run_record

ROOT = Path(__file__).parent.parent
CLIENTS = 100
STEPS_PER_ROUND = 50
_KNN, _PROBE = "knn_accuracy", "probe_accuracy"
_ABSENT = "-"


@final
@dataclass(frozen=True)
class Variant:
    """One row of the table.

    Attributes
    ----------
    title : str
        What differs.
    settings : Mapping[str, bool | int]
        The settings that do.
    """

    title: str
    settings: Mapping[str, bool | int]


VARIANTS = {
    "cut1": Variant("cut 1", {"split.cut": 1}),
    "cut2": Variant("cut 2", {"split.cut": 2}),
    "cut1-averaged": Variant(
        "cut 1, momentum models averaged", {"split.cut": 1, "mocosfl.average-momentum": True}
    ),
    "cut2-averaged": Variant(
        "cut 2, momentum models averaged", {"split.cut": 2, "mocosfl.average-momentum": True}
    ),
}


def main() -> None:
    """Play what is missing and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with CIFAR-10's parquet files")
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "mocosfl_cifar10")
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--rounds", type=int, default=30, help="of 50 steps each (%(default)s)")
    parser.add_argument("--evaluate-every", type=int, default=10)
    parser.add_argument("--width", type=int, default=16, help="64 is the published ResNet-18")
    parser.add_argument("--max-samples", type=int, default=600, help="per client, with its test")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    arguments = parser.parse_args()
    console = Console()
    runs = {f"{name}-{arguments.rounds}": VARIANTS[name] for name in arguments.only}
    for name, variant in runs.items():
        folder = arguments.folder.resolve() / name
        settings = {**_settings(arguments), **variant.settings}
        if not complete(folder / name, settings):
            # One that is not complete is of no use.
            Campaign(folder, 1, "engine", settings, replace=True).play({name: {}}, console)
    _write(arguments, console)


def _settings(arguments: argparse.Namespace) -> Settings:
    return {
        **hundred_clients(arguments),
        "rounds": arguments.rounds,
        "evaluate-every": arguments.evaluate_every,
        "split.step-deadline-s": 120.0,
        "split.connect-deadline-s": 300.0,
    }


def hundred_clients(arguments: argparse.Namespace) -> Mapping[str, bool | int | float | str]:
    """Return the settings of a hundred clients of two classes each, all on one node."""
    return {
        "method": "mocosfl",
        "data": f"parquet:{arguments.data.resolve()}",
        "partition": "shards",
        "shards-per-client": 2,
        "max-samples": arguments.max_samples,
        "clients-per-node": CLIENTS,
        "min-nodes": 1,
        "seed": arguments.seed,
        "device": arguments.device,
        "server-device": arguments.device,
        "split.width": arguments.width,
        "mocosfl.steps-per-round": STEPS_PER_ROUND,
    }


def _write(arguments: argparse.Namespace, console: Console) -> None:
    """Write a table of all complete runs and their curves."""
    folder = arguments.folder.resolve()
    records = [read_run_record(path.parent) for path in sorted(folder.glob("*/*/rounds.jsonl"))]
    finished = [run for run in records if len(run.rounds) == run.settings["rounds"]]
    if not finished:
        return
    lines = [
        "| client model | steps | hours | kNN before | kNN | linear probe before | linear probe "
        "| best epoch | 10 % labels | 1 % labels | up / down per step |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
        *map(_row, finished),
        _raw_row(raw_beside(finished[0].folder, hundred_clients(arguments), 1)),
        "",
        "| accuracy after step | "
        + " | ".join(f"{_title(run)}, {len(run.rounds)} rounds" for run in finished)
        + " |",
        "|---|" + "---|" * len(finished),
        *_curve(finished),
        "",
    ]
    write_block("mocosfl_cifar10", "\n".join(lines))
    console.print(f"{RESULTS}: the table is written", soft_wrap=True)


def _row(run: RunRecord) -> str:
    last, first = run.rounds[-1], run.rounds[0]
    steps = len(run.rounds) * STEPS_PER_ROUND
    hours = sum(line.seconds.get("total", 0.0) for line in run.rounds) / 3600
    sizes = [
        [
            sum(n.payload_bytes.get(f"{way}/stream", 0) for n in line.answered.values())
            for line in _plain(run)
        ]
        for way in ("up", "down")
    ]
    traffic = " / ".join(f"{min(own) / STEPS_PER_ROUND / 1e6:.1f} MB" for own in sizes)
    numbers = [
        _percent(first, f"untrained_{_KNN}"),
        _percent(last, _KNN),
        _percent(first, f"untrained_{_PROBE}"),
        _percent(last, _PROBE),
        _percent(last, "probe_best_accuracy"),
        _percent(last, "semi_10_accuracy"),
        _percent(last, "semi_1_accuracy"),
    ]
    return f"| {_title(run)} | {steps} | {hours:.1f} | {' | '.join(numbers)} | {traffic} |"


def _raw_row(raw: RawBaseline) -> str:
    knn, probe = (f"{100 * one:.1f}" for one in (raw.knn_accuracy, raw.probe_accuracy))
    return f"| raw pixels, no network | - | - | - | {knn} | - | {probe} | - | - | - | - |"


def _plain(run: RunRecord) -> list[RoundLine]:
    """Return the rounds without an evaluation, whose samples would count as a step's."""
    return [line for line in run.rounds[1:] if line.accuracy is None] or list(run.rounds)


def _title(run: RunRecord) -> str:
    names = {name for name in VARIANTS if run.name.rpartition("-")[0] == name}
    width = run.settings["split.width"]
    return f"{VARIANTS[names.pop()].title}, width {width}"


def _curve(runs: list[RunRecord]) -> list[str]:
    rounds = sorted(
        {line.round_number for run in runs for line in run.rounds if _KNN in line.diagnostics}
    )
    told = []
    for number in rounds:
        cells = []
        for run in runs:
            line = next((found for found in run.rounds if found.round_number == number), None)
            cells.append(f"{_percent(line, _KNN)} / {_percent(line, _PROBE)}" if line else _ABSENT)
        told.append(f"| {number * STEPS_PER_ROUND} | {' | '.join(cells)} |")
    return told


def _percent(line: RoundLine, name: str) -> str:
    value = line.diagnostics.get(name)
    return _ABSENT if value is None else f"{100 * value:.1f}"


if __name__ == "__main__":
    main()
