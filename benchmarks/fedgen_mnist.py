"""FedGen against FedAvg on MNIST as its paper plays it: 20 users, half of them in each round.

After section 5 and table 1 of the paper (Zhu, Hong and Zhou, 2021,
https://arxiv.org/abs/2105.10056): 1,500 images of each digit are dealt by Dirichlet shares, users
have the small network of the authors' code, a round is one pass over some 750 images in batches
of 32, and everybody is tested on the same 1,000 images that nobody learnt from. Beside FedAvg,
FedProx and both modes of FedGen play FD and Local.

Run with ``python -m benchmarks.fedgen_mnist FOLDER --images DIR`` (PFLlib's folder of MNIST,
whose images are pooled and dealt anew). What is there already is not played again. The
table is printed.
"""

import argparse
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console

from benchmarks.mnist_network import NETWORK, WIDTH
from benchmarks.mnist_pool import CLASSES, Pool, pooled, write
from benchmarks.results import complete, over_seeds
from local_federation.campaign import Campaign
from server_app.run_record import RunRecord, read_run_record

Value = bool | int | float | str

USERS: Final = 20
_PER_CLASS: Final = 1500
_JUDGES: Final = 1000
# Below two batches a user's statistics of batch normalisation say little.
_FEWEST: Final = 64
_BEST: Final = 5

# By name: title in the table, and the settings that make it.
METHODS: Final[Mapping[str, tuple[str, Mapping[str, Value]]]] = {
    "local": ("Local", {"method": "local"}),
    "fd": ("FD", {"method": "fd"}),
    "fedavg": ("FedAvg", {"method": "fedavg"}),
    "fedprox": ("FedProx, 0.1", {"method": "fedavg", "fedavg.proximal-weight": 0.1}),
    "fedgen-paper": ("FedGen, paper", {"method": "fedgen", "fedgen.mode": "paper"}),
    "fedgen-official": ("FedGen, official", {"method": "fedgen", "fedgen.mode": "official"}),
}
SETTINGS: Final[Mapping[str, Value]] = {
    "models": NETWORK,
    "feature-dim": WIDTH,
    "batch-size": 32,
    "learning-rate": 0.01,
    "participation": 0.5,
    "evaluate-every": 10,
    "writers": "",
    "device": "cpu",
}


def main() -> None:
    """Play what is missing and write the table."""
    options = _options()
    console, folder = Console(), options.folder.resolve()
    every = pooled(options.images)
    head = (
        "| alpha | method | last round | best round | mean of the five best | last, to FedAvg |",
        "| ---: | :--- | ---: | ---: | ---: | ---: |",
    )
    for line in head:
        console.print(line, highlight=False, soft_wrap=True)
    for alpha in options.alphas:
        runs = [_played(folder, every, alpha, seed, options, console) for seed in options.seeds]
        baseline = [_curve(own["fedavg"])[-1] for own in runs]
        for name, (title, _) in METHODS.items():
            cells = _cells([_curve(own[name]) for own in runs], baseline)
            row = f"| {alpha:g} | {title} | {cells} |"
            console.print(row, highlight=False, soft_wrap=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where to keep data and runs")
    parser.add_argument("--images", type=Path, required=True, help="PFLlib's folder of MNIST")
    parser.add_argument("--alphas", type=float, nargs="+", default=[0.05, 0.1, 1.0])
    parser.add_argument("--rounds", type=int, default=200, help="(%(default)s)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    return parser.parse_args()


def _dealt(place: Path, every: Pool, alpha: float, seed: int) -> None:
    """Deal images to users by Dirichlet shares of each class, unless they lie there."""
    if (place / "config.json").exists():
        return
    order = np.random.default_rng((seed, round(1000 * alpha)))
    rows = order.permutation(len(every.labels))
    judges, rows = every.rows(rows[:_JUDGES]), rows[_JUDGES:]
    chosen = [rows[every.labels[rows] == label][:_PER_CLASS] for label in range(CLASSES)]
    while True:
        own: list[list[np.ndarray]] = [[] for _ in range(USERS)]
        for of_class in chosen:
            shares = order.dirichlet([alpha] * USERS).cumsum()[:-1]
            parts = np.split(order.permutation(of_class), (shares * len(of_class)).astype(int))
            for user, part in enumerate(parts):
                own[user].append(part)
        users = [order.permutation(np.concatenate(parts)) for parts in own]
        if min(map(len, users)) >= _FEWEST:
            break
    write(place, [every.rows(user) for user in users], [judges] * USERS)


def _played(
    folder: Path,
    every: Pool,
    alpha: float,
    seed: int,
    options: argparse.Namespace,
    console: Console,
) -> dict[str, RunRecord]:
    """Return the runs of one deal, by method."""
    case = f"alpha-{alpha:g}-seed-{seed}"
    place = folder / "data" / case
    _dealt(place, every, alpha, seed)
    settings = {**SETTINGS, "data": f"pfllib:{place}", "rounds": options.rounds, "seed": seed}
    found = {}
    for name, (_, own) in METHODS.items():
        runs, every_setting = folder / "runs" / case / name, {**settings, **own}
        if not complete(runs / name, every_setting):
            campaign = Campaign(runs, USERS, "engine", every_setting, replace=True)
            campaign.play({name: {}}, console)
        found[name] = read_run_record(runs / name)
    return found


def _curve(run: RunRecord) -> list[float]:
    """Return the mean accuracy of every round in which all users were tested."""
    return [
        line.accuracy
        for line in run.rounds
        if line.accuracy is not None and line.num_tested == USERS
    ]


def _cells(curves: Sequence[Sequence[float]], baseline: Sequence[float]) -> str:
    ahead = [100 * (curve[-1] - other) for curve, other in zip(curves, baseline, strict=True)]
    best = [statistics.mean(sorted(curve)[-_BEST:]) for curve in curves]
    gain = f"{statistics.mean(ahead):+.1f} ({min(ahead):+.1f} to {max(ahead):+.1f})"
    return " | ".join(
        (
            over_seeds([curve[-1] for curve in curves]),
            over_seeds([max(curve) for curve in curves]),
            over_seeds(best),
            gain,
        )
    )


if __name__ == "__main__":
    main()
