"""Local, FedProto, FD and FedKTL on CIFAR-10, as it comes out.

Ten clients, Dirichlet 0.1, four architectures dealt in turn, three seeds; simulated by Ray.
Every number is of the last round: each client's own model on its own test split after
training, the mean weighted by test samples. Runs that are complete are kept, so that the
benchmark can be stopped and started again.

Run with ``python -m benchmarks.fedktl_cifar10 FOLDER``, where FOLDER holds CIFAR-10 in the
hub's parquet layout. The table goes into ``docs/results.md`` between its two markers.
"""

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from rich.console import Console

from benchmarks.results import RESULTS, complete, over_seeds, write_block
from local_federation.campaign import Campaign
from server_app.run_record import RunRecord, read_run_record
from strategies.methods import display_name

ROOT = Path(__file__).parent.parent
METHODS = ("local", "fedproto", "fd", "fedktl")
CLIENTS = 10
MODELS = "cnn,resnet4,resnet6,resnet8"


@final
@dataclass(frozen=True)
class Row:
    """One method's numbers over seeds.

    Attributes
    ----------
    method : str
        Name of the method.
    accuracy, spread, worst : list[float]
        Last round's mean accuracy, its standard deviation over clients and the worst
        client's accuracy, by seed.
    uplink_mb, downlink_mb : float
        Megabytes of all clients in a median round.
    round_s : float
        Median wall seconds of a round.
    """

    method: str
    accuracy: list[float]
    spread: list[float]
    worst: list[float]
    uplink_mb: float
    downlink_mb: float
    round_s: float


def main() -> None:
    """Play what is missing and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with CIFAR-10's parquet files")
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "fedktl_cifar10")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--max-samples", type=int, default=804, help="per client, before the split")
    arguments = parser.parse_args()
    console = Console()
    campaign = Campaign(
        folder=arguments.folder.resolve(),
        num_clients=CLIENTS,
        carrier="engine",
        # One that is not complete is of no use.
        replace=True,
        settings={
            "data": f"parquet:{arguments.data.resolve()}",
            "partition": "dirichlet",
            "dirichlet-alpha": 0.1,
            "models": MODELS,
            "max-samples": arguments.max_samples,
            "rounds": arguments.rounds,
            "learning-rate": 0.01,
            "device": "cpu",
            "server-device": "cpu",
        },
    )
    names = [(m, s, f"{m}-seed{s}") for s in arguments.seeds for m in METHODS]
    missing = {
        name: {"method": method, "seed": seed}
        for method, seed, name in names
        if not complete(campaign.folder / name, arguments.rounds)
    }
    if missing:
        campaign.play(missing, console)
    rows = [
        row(m, [campaign.folder / name for method, _, name in names if method == m])
        for m in METHODS
    ]
    first = read_run_record(campaign.folder / names[0][2])
    write_block("fedktl_cifar10", describe(first, arguments.seeds, arguments.rounds) + table(rows))
    console.print(f"written: {RESULTS}")


def row(method: str, run_dirs: Sequence[Path]) -> Row:
    """Collect a method's numbers from its runs, one per seed."""
    runs = [read_run_record(run_dir) for run_dir in run_dirs]
    last = [run.rounds[-1] for run in runs]
    every = [line for run in runs for line in run.rounds[1:]]
    return Row(
        method=method,
        accuracy=[line.accuracy or 0.0 for line in last],
        spread=[line.accuracy_std or 0.0 for line in last],
        worst=[min(node.accuracy or 0.0 for node in line.answered.values()) for line in last],
        uplink_mb=statistics.median(line.uplink_bytes / 1e6 for line in every),
        downlink_mb=statistics.median(line.downlink_bytes / 1e6 for line in every),
        round_s=statistics.median(line.seconds["total"] for line in every),
    )


def describe(run: RunRecord, seeds: Sequence[int], rounds: int) -> str:
    """Return the setting in words, with the sample counts of one seed."""
    train = sum(client.train_samples for client in run.clients.values())
    test = sum(client.test_samples for client in run.clients.values())
    return (
        f"CIFAR-10, {CLIENTS} clients, Dirichlet 0.1, models {MODELS.replace(',', ', ')} in turn, "
        f"{train:,} training and {test:,} test images (seed {seeds[0]}), {rounds} rounds of one "
        f"epoch, batch 10, SGD at 0.01, seeds {', '.join(map(str, seeds))}, generator `oriented` "
        f"at 32 px.\n\n"
    )


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table."""
    head = (
        "| method | accuracy, last round | std over clients | worst client "
        "| MB up per round | MB down per round | s per round |\n|---|---|---|---|---|---|---|\n"
    )
    lines = [
        f"| {display_name(r.method)} | {over_seeds(r.accuracy)} | {over_seeds(r.spread)} "
        f"| {over_seeds(r.worst)} | {r.uplink_mb:.3f} | {r.downlink_mb:.3f} | {r.round_s:.1f} |\n"
        for r in rows
    ]
    return head + "".join(lines)


if __name__ == "__main__":
    main()
