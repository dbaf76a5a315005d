"""FedDAT and what it is to be compared with, on questions about grids of digits.

Two federations of five clients (docs/adapters.md): ``domain``, where every client sees the
pictures rendered in another way, and ``function``, where every client asks another kind of
question. Nothing but the method differs: same foundation model, heads, schedule and seeds.
A row names the model that answers, since FedDAT has several, and the compute in passes of
FedAvg's (a backward pass counts as two forward ones).

Runs are played in this process's children over a loopback grid, two at a time; complete
ones are kept, so that the benchmark can be stopped and started again.

Run with ``python -m benchmarks.adapters_vqa --backbone DIR``, the folder that
``python -m client_app.pretrain_backbone`` wrote.
"""

import argparse
import multiprocessing
import shutil
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import torch
from rich.progress import Progress

from benchmarks.results import RESULTS, complete, over_seeds, write_block
from server_app.run_record import RunRecord, read_run_record
from strategies.common.settings import read_changes
from tests.loopback import Federation

ROOT = Path(__file__).parent.parent
CLIENTS = 5
Overrides = Mapping[str, bool | int | float | str]
# Compute of one batch of FedDAT: three forward and two backward passes for one of each.
_FEDDAT = 7 / 3


@final
@dataclass(frozen=True)
class Benchmark:
    """Data and length of one comparison."""

    title: str
    rounds: int
    overrides: Overrides


BENCHMARKS: Final[Mapping[str, Benchmark]] = {
    "domain": Benchmark(
        "Domain",
        25,
        {"data": "digitgrid:domain", "max-samples": 1200, "adapters.learning-rate": 0.004},
    ),
    "function": Benchmark(
        "Function",
        20,
        {"data": "digitgrid:function", "max-samples": 900, "adapters.learning-rate": 0.004},
    ),
}


@final
@dataclass(frozen=True)
class Variant:
    """One method as it is compared.

    Attributes
    ----------
    title : str
        What it is.
    compute : float
        Of a round, in FedAvg's.
    overrides : Overrides
        Settings that make it.
    """

    title: str
    compute: float
    overrides: Overrides


def variants(rounds: int) -> dict[str, Variant]:
    """Return the methods by the names of their runs."""
    together = rounds * 4 // 5
    average: Overrides = {"method": "fedadapter"}
    return {
        "local": Variant("Local", 1, {**average, "fedadapter.shared-rounds": 0}),
        "local-matched": Variant(
            "Local, FedDAT's compute",
            _FEDDAT,
            {**average, "fedadapter.shared-rounds": 0, "fedadapter.compute": _FEDDAT},
        ),
        "fedavg": Variant("FedAvg on adapters", 1, average),
        "fedavg-matched": Variant(
            "FedAvg, FedDAT's compute", _FEDDAT, {**average, "fedadapter.compute": _FEDDAT}
        ),
        "fedavg-tuned": Variant(
            f"FedAvg {together} rounds, then alone",
            1,
            {**average, "fedadapter.shared-rounds": together},
        ),
        "fedavg-tuned-matched": Variant(
            f"FedAvg {together} rounds, then alone, FedDAT's compute",
            _FEDDAT,
            {
                **average,
                "fedadapter.shared-rounds": together,
                "fedadapter.compute": _FEDDAT,
            },
        ),
        "fedlora": Variant("FedLoRA, stacked", 1, {"method": "fedlora"}),
        "feddat": Variant("FedDAT", _FEDDAT, {"method": "feddat"}),
        # The teacher's logits of before the first step are needed for distillation alone, but
        # are computed all the same.
        "feddat-no-kl": Variant(
            "FedDAT without distillation",
            _FEDDAT,
            {"method": "feddat", "feddat.alpha": 0.0, "feddat.beta": 0.0},
        ),
    }


@final
@dataclass(frozen=True)
class Job:
    """One run: its name, the folder of all runs, and its settings."""

    name: str
    folder: Path
    rounds: int
    overrides: Overrides

    @property
    def is_done(self) -> bool:
        """Whether it was played to its end."""
        return complete(self.folder / self.name, self.rounds)

    def record(self) -> RunRecord:
        """Return what came of it."""
        return read_run_record(self.folder / self.name)


def main() -> None:
    """Play what is missing and write the tables."""
    options = _options()
    jobs = dict(_jobs(options))
    missing = [job for job in jobs.values() if not job.is_done]
    with Progress() as progress, multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
        task = progress.add_task("runs", total=len(missing))
        for _ in pool.imap_unordered(_play, missing):
            progress.advance(task)
    if not options.set:
        write_block("adapters_vqa", _tables(jobs, options.seeds))
        progress.console.print(f"written: {RESULTS}")
    else:
        progress.console.print(_tables(jobs, options.seeds), markup=False, soft_wrap=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backbone", type=Path, required=True, help="folder of the tiny ViLT")
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "adapters_vqa")
    parser.add_argument("--benchmarks", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS))
    parser.add_argument("--only", nargs="+", choices=variants(1), default=list(variants(1)))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--jobs", type=int, default=2, help="runs at once")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of all runs, to tune; the table is then printed and not written",
    )
    return parser.parse_args()


def _jobs(options: argparse.Namespace) -> Iterator[tuple[tuple[str, str, int], Job]]:
    changes = read_changes(options.set)
    tuned = "".join(f"-{key.rpartition('.')[2]}-{value}" for key, value in changes.items())
    folder = options.folder.resolve()
    for name in options.benchmarks:
        benchmark = BENCHMARKS[name]
        rounds = int(changes.get("rounds", benchmark.rounds))
        for variant in options.only:
            for seed in options.seeds:
                run = f"{name}-{variant}{tuned}-seed{seed}"
                settings: Overrides = {
                    "test-fraction": 1 / 3,
                    "batch-size": 32,
                    "evaluate-every": 5,
                    "adapters.backbone": f"folder:{options.backbone.resolve()}",
                    "adapters.rank": 8,
                    "round-deadline-s": 3600.0,
                    **benchmark.overrides,
                    **variants(rounds)[variant].overrides,
                    **changes,
                    "seed": seed,
                    "rounds": rounds,
                    "run-name": run,
                    "runs-dir": str(folder),
                    "state-dir": str(folder / "state"),
                }
                yield (name, variant, seed), Job(run, folder, rounds, settings)


def _play(job: Job) -> None:
    torch.set_num_threads(1)
    shutil.rmtree(job.folder / job.name, ignore_errors=True)
    shutil.rmtree(job.folder / "state" / job.name, ignore_errors=True)
    Federation(job.folder, CLIENTS, job.overrides).play()


def _tables(jobs: Mapping[tuple[str, str, int], Job], seeds: Sequence[int]) -> str:
    parts = []
    for name in dict.fromkeys(benchmark for benchmark, _, _ in jobs):
        benchmark = BENCHMARKS[name]
        lines = [
            f"{benchmark.title}, {benchmark.rounds} rounds, seeds {', '.join(map(str, seeds))}:\n",
            "| method | compute | answered with | accuracy, % | up per client, round | seconds |",
            "|---" * 6 + "|",
        ]
        for key in dict.fromkeys(variant for own, variant, _ in jobs if own == name):
            records = [jobs[name, key, seed].record() for seed in seeds]
            lines += _rows(variants(benchmark.rounds)[key], records)
        parts.append("\n".join([*lines, ""]))
    return "\n".join(parts)


def _rows(variant: Variant, records: Sequence[RunRecord]) -> Iterator[str]:
    """Return one row for each model that answered."""
    seconds = statistics.mean(
        sum(line.seconds.get("total", 0.0) for line in record.rounds) for record in records
    )
    sizes = [
        node.uplink_bytes
        for record in records
        for line in record.rounds
        for node in line.answered.values()
    ]
    last = [record.rounds[-1].scores for record in records]
    for model in last[0]:
        found = over_seeds([scores[model] for scores in last])
        yield (
            f"| {variant.title} | {variant.compute:.2f} | {model} | {found} | "
            f"{statistics.median(sizes):,.0f} B | {seconds:.0f} |"
        )


if __name__ == "__main__":
    main()
