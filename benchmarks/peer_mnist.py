"""Whether methods reach what HtFLlib's code reaches, on its MNIST and with what it does unsaid.

PFLlib's MNIST over 20 clients, of which each keeps the first tenth of its files, four unlike
networks, batches of ten in the order of the files, one start for all clients of an architecture,
ten rounds of one pass at a learning rate of 0.01. Methods have the settings of HtFLlib, also where
these differ from their papers. What HtFLlib reached was measured in its own code at commit e959261
on the same files; it evaluates at the start of a round, here the round before has the same number.

Run with ``python -m benchmarks.peer_mnist FOLDER --images DIR``. What is there already is not
played again. The table is printed.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console

from benchmarks.mnist_pool import Pool, write
from benchmarks.peer_networks import FAMILY, SHARED
from benchmarks.results import complete
from client_app.data import npz
from local_federation.campaign import Campaign
from server_app.run_record import read_run_record
from strategies.methods import display_name

Value = bool | int | float | str

CLIENTS: Final = 20
_SHARE, _FEWEST_TRAIN, _FEWEST_TEST = 10, 20, 10
_MUTUAL: Final[Mapping[str, Value]] = {"detach": False, "reduction": "entries", "max-norm": 10.0}
SETTINGS: Final[Mapping[str, Value]] = {
    "models": FAMILY,
    "feature-dim": 512,
    "batch-size": 10,
    "batches": "fixed",
    "initial-weights": "alike",
    "learning-rate": 0.01,
    "evaluate-every": 1,
    "writers": "",
    "device": "cpu",
}
# The method's own settings as HtFLlib has them, and its accuracies after 1, 5 and 10 rounds; of
# FedL2G after one, two and three rounds behind three of warm-up.
METHODS: Final[Mapping[str, tuple[Mapping[str, Value], tuple[float, float, float]]]] = {
    "local": ({}, (0.769, 0.888, 0.923)),
    "fd": ({}, (0.769, 0.895, 0.932)),
    "fedkd": (
        {**_MUTUAL, "model": SHARED, "factorise": "parameters"},
        (0.790, 0.889, 0.926),
    ),
    "fedproto": (
        {"aggregation": "uniform", "proto-weight": 10.0, "test-classes": "all"},
        (0.445, 0.823, 0.923),
    ),
    "fedtgp": (
        {"margin": "nearest", "prototypes": "before", "test-classes": "all"},
        (0.194, 0.897, 0.918),
    ),
    "fedgh": ({}, (0.795, 0.866, 0.918)),
    "lgfedavg": ({}, (0.789, 0.867, 0.915)),
    "fedmrl": (
        {"model": SHARED, "projection": "fresh", "aggregation": "uniform"},
        (0.744, 0.829, 0.902),
    ),
    "fml": ({**_MUTUAL, "model": SHARED}, (0.749, 0.848, 0.899)),
    "fedl2g": ({"warm-up-rounds": 3, "server-learning-rate": 100.0}, (0.776, 0.818, 0.851)),
    "fedl2g-logit": (
        {"guidance": "logit", "warm-up-rounds": 3, "server-learning-rate": 0.1},
        (0.758, 0.815, 0.864),
    ),
}
_ENDS: Final = (1, 5, 10)
_GUIDED_ENDS: Final = (4, 5, 6)
_WITHIN: Final = 0.015


def main() -> None:
    """Play what is missing and write the table."""
    options = _options()
    console, folder = Console(), options.folder.resolve()
    place = folder / "data"
    _shorten(place, options.images)
    found = {name: _played(folder, place, name, options, console) for name in options.methods}
    lines = [
        "| method | after 1 round | 5 | 10 | HtFLlib after 1 | 5 | 10 | difference |",
        "| :--- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, curve in found.items():
        theirs = METHODS[name][1]
        ends = _GUIDED_ENDS if name.startswith("fedl2g") else _ENDS
        ours = [curve[min(end, len(curve)) - 1] for end in ends]
        away = ours[-1] - theirs[-1]
        told = " | ".join(f"{100 * one:.1f}" for one in (*ours, *theirs))
        mark = "" if abs(away) <= _WITHIN else " *"
        title = display_name(name.partition("-")[0]) + (", logits" if "-" in name else "")
        lines.append(f"| {title} | {told} | {100 * away:+.1f}{mark} |")
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where to keep data and runs")
    parser.add_argument("--images", type=Path, required=True, help="PFLlib's folder of MNIST")
    parser.add_argument("--rounds", type=int, default=10, help="(%(default)s)")
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    return parser.parse_args()


def _shorten(place: Path, images: Path) -> None:
    """Write the first tenth of each client's files, unless it lies there."""
    if (place / "config.json").exists():
        return
    parts: list[list[Pool]] = []
    for part, fewest in (("train", _FEWEST_TRAIN), ("test", _FEWEST_TEST)):
        own = []
        for client in range(CLIENTS):
            read = npz.read(images / part / f"{client}.npz")
            labels = np.asarray(read["y"]).astype(np.int64)
            count = max(len(labels) // _SHARE, min(fewest, len(labels)))
            # Floats from -1 to 1, as they were published.
            own.append(Pool(np.asarray(read["x"])[:count], labels[:count]))
        parts.append(own)
    train, test = parts
    write(place, train, test)


def _played(
    folder: Path, place: Path, name: str, options: argparse.Namespace, console: Console
) -> list[float]:
    """Return a method's mean accuracy after each round."""
    runs = folder / "runs" / f"{name}-seed-{options.seed}"
    method = name.partition("-")[0]
    own = {f"{method}.{key}": value for key, value in METHODS[name][0].items()}
    settings = {
        **SETTINGS,
        **own,
        "method": method,
        "data": f"pfllib:{place}",
        "rounds": options.rounds,
        "seed": options.seed,
    }
    if not complete(runs / name, settings):
        Campaign(runs, CLIENTS, "engine", settings, replace=True).play({name: {}}, console)
    return [line.accuracy or 0.0 for line in read_run_record(runs / name).rounds]


if __name__ == "__main__":
    main()
