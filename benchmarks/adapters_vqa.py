"""FedDAT and what it is to be compared with, on questions about grids of digits.

Two federations of five clients (docs/adapters.md): ``domain``, where every client sees the
pictures rendered in another way, and ``function``, where every client asks another kind of
question. Nothing but the method differs: same foundation model, heads, schedule and seeds.
A row names the model that answers, since FedDAT has several, and the compute in passes of
FedAvg's (a backward pass counts as two forward ones).

Complete runs are kept, so that the benchmark can be stopped and started again.

Run with ``python -m benchmarks.adapters_vqa --backbone DIR``, the folder that
``python -m client_app.pretrain_backbone`` wrote.
"""

import argparse
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

from rich.console import Console

from benchmarks.adapter_runs import (
    Job,
    Overrides,
    Variant,
    add_options,
    job,
    play,
    scores,
    variants,
)
from benchmarks.results import RESULTS, over_seeds, write_block
from server_app.run_record import RunRecord


@final
@dataclass(frozen=True)
class Benchmark:
    """Data and length of one comparison."""

    title: str
    rounds: int
    overrides: Overrides


BENCHMARKS: Final[Mapping[str, Benchmark]] = {
    "domain": Benchmark("Domain", 25, {"data": "digitgrid:domain", "max-samples": 600}),
    "function": Benchmark("Function", 25, {"data": "digitgrid:function", "max-samples": 600}),
}


def main() -> None:
    """Play what is missing and write the tables."""
    options = _options()
    jobs = dict(_jobs(options))
    play(list(jobs.values()), options.jobs)
    write_block("adapters_vqa", _tables(jobs, options.seeds))
    Console().print(f"written: {RESULTS}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser, "adapters_vqa")
    parser.add_argument("--benchmarks", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS))
    parser.add_argument("--only", nargs="+", choices=variants(1), default=list(variants(1)))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    return parser.parse_args()


def _jobs(options: argparse.Namespace) -> Iterator[tuple[tuple[str, str, int], Job]]:
    # Seed by seed, so that what a stopped benchmark leaves can be compared.
    for seed in options.seeds:
        for name in options.benchmarks:
            benchmark = BENCHMARKS[name]
            for variant in options.only:
                own = variants(benchmark.rounds)[variant].overrides
                run = f"{name}-{variant}-seed{seed}"
                overrides = {**benchmark.overrides, **own, "seed": seed}
                found = job(run, options.folder, options.backbone, benchmark.rounds, overrides)
                yield (name, variant, seed), found


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
    seconds = statistics.median(
        sum(line.seconds.get("total", 0.0) for line in record.rounds) for record in records
    )
    sizes = [
        node.uplink_bytes
        for record in records
        for line in record.rounds
        for node in line.answered.values()
    ]
    for model, found in scores(records):
        yield (
            f"| {variant.title} | {variant.compute:.2f} | {model} | {over_seeds(found)} | "
            f"{statistics.median(sizes):,.0f} B | {seconds:.0f} |"
        )


if __name__ == "__main__":
    main()
