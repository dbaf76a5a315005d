"""FAug on MNIST: devices that lack three labels, with and without a generator from their seeds.

After section 4 of FD's paper (Jeong et al., 2018, https://arxiv.org/abs/1811.11479): each device
has 2,000 images of its own, of which three target labels are cut to five. FD and FedAvg play
without augmentation, with FAug whose server varies the seeds, and with FAug whose server finds
alike images in a public pool, as the paper's does by image search. Local plays beside. Every
device's model is judged on the same 10,000 images, which nobody learnt from, all of them and
target labels alone.

Run with ``python -m benchmarks.augmented_mnist FOLDER --images DIR`` (PFLlib's folder of MNIST,
whose images are pooled and dealt anew). What is there already is not played again. The
table is printed.
"""

import argparse
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from torch import Tensor

from benchmarks.mnist_pool import CLASSES, Pool, pooled, write
from benchmarks.results import complete, over_seeds
from client_app.exporting.found import find
from client_app.exporting.taken import take
from local_federation.campaign import Campaign
from server_app.run_record import read_run_record
from strategies.common.samples import prepare
from strategies.methods import display_name

Value = bool | int | float | str

# What a device has, and what is left of a target label (section 4).
PER_DEVICE: Final = 2000
TARGETS: Final = 3
LEFT: Final = 5
# Who judges: images that nobody learns from, and those of them that a run tests with.
JUDGES: Final = 10_000
_SHOWN: Final = 1000
# Public images of each label.
_POOL: Final = 100
_AT_ONCE: Final = 1000

METHODS: Final = ("local", "fd", "fedavg")
# By name: the settings that make it.
AUGMENTATIONS: Final[Mapping[str, Mapping[str, Value]]] = {
    "none": {},
    "seeds": {"augmentation": "faug"},
    "pool": {"augmentation": "faug", "faug.oversampler": "open"},
}
SETTINGS: Final[Mapping[str, Value]] = {
    "models": "cnn",
    "image-size": 28,
    "batch-size": 32,
    "learning-rate": 0.05,
    "device": "cpu",
}


@final
@dataclass(frozen=True)
class Judged:
    """How the devices of one run did.

    Attributes
    ----------
    accuracy, on_targets : float
        Of the mean device, on all images and on those of its own target labels.
    megabits : float
        What one device sent and received, on average.
    leaks : tuple[float, float] | None
        Of the mean device, to the server and to other devices; ``None`` without FAug.
    """

    accuracy: float
    on_targets: float
    megabits: float
    leaks: tuple[float, float] | None


def main() -> None:
    """Play what is missing, judge, and write the table."""
    options = _options()
    console, folder = Console(), options.folder.resolve()
    every = pooled(options.images)
    head = (
        "| devices | method | augmentation | mean device | its target labels | leak to server "
        "| to devices | Mbit a device |",
        "| ---: | :--- | :--- | ---: | ---: | ---: | ---: | ---: |",
    )
    for line in head:
        console.print(line, highlight=False, soft_wrap=True)
    for devices in options.devices:
        for method in METHODS:
            for augmentation in options.augmentations if method != "local" else ("none",):
                judged = [
                    _judged(folder, every, devices, seed, method, augmentation, options, console)
                    for seed in options.seeds
                ]
                told = f"| {devices} | {display_name(method)} | {augmentation}"
                row = f"{told} | {_row(judged)} |"
                console.print(row, highlight=False, soft_wrap=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where to keep data and runs")
    parser.add_argument("--images", type=Path, required=True, help="PFLlib's folder of MNIST")
    parser.add_argument("--devices", type=int, nargs="+", default=[2, 4, 10])
    parser.add_argument(
        "--augmentations", nargs="+", choices=list(AUGMENTATIONS), default=list(AUGMENTATIONS)
    )
    parser.add_argument("--rounds", type=int, default=16, help="of one epoch (%(default)s)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    return parser.parse_args()


def _dealt(place: Path, every: Pool, devices: int, seed: int) -> tuple[Pool, list[list[int]]]:
    """Deal images to devices, and return who judges, and each device's target labels."""
    order = np.random.default_rng((seed, devices))
    rows = order.permutation(len(every.labels))
    judges, rows = every.rows(rows[:JUDGES]), rows[JUDGES:]
    targets = [sorted(order.choice(CLASSES, TARGETS, False).tolist()) for _ in range(devices)]
    if (place / "dealt" / "config.json").exists():
        return judges, targets
    for label in range(CLASSES):
        chosen = rows[every.labels[rows] == label][:_POOL]
        (place / "pool" / str(label)).mkdir(parents=True, exist_ok=True)
        for row in chosen:
            picture = Image.fromarray(every.images[row, 0])
            picture.save(place / "pool" / str(label) / f"{row}.png")
        rows = rows[~np.isin(rows, chosen)]
    dealt = []
    for device, lacked in enumerate(targets):
        own = rows[device * PER_DEVICE : (device + 1) * PER_DEVICE]
        kept = [own[every.labels[own] == k][: LEFT if k in lacked else None] for k in range(10)]
        dealt.append(every.rows(order.permutation(np.concatenate(kept))))
    write(place / "dealt", dealt, [judges.rows(np.arange(_SHOWN))] * devices)
    return judges, targets


def _judged(
    folder: Path,
    every: Pool,
    devices: int,
    seed: int,
    method: str,
    augmentation: str,
    options: argparse.Namespace,
    console: Console,
) -> Judged:
    case = f"{devices}-devices-seed-{seed}"
    place = folder / "data" / case
    judges, targets = _dealt(place, every, devices, seed)
    name = f"{method}-{augmentation}"
    settings = {
        **SETTINGS,
        **AUGMENTATIONS[augmentation],
        "method": method,
        "data": f"pfllib:{place}/dealt",
        "open-data": f"folder:{place}/pool",
        "rounds": options.rounds,
        "seed": seed,
    }
    runs = folder / "runs" / case
    if not complete(runs / name / name, settings):
        Campaign(runs / name, devices, "engine", settings, replace=True).play({name: {}}, console)
    right = [right_of(runs / name, name, device, judges) for device in range(devices)]
    labels = torch.from_numpy(judges.labels)
    own = [
        hits[torch.isin(labels, torch.tensor(lacked))].double().mean().item()
        for hits, lacked in zip(right, targets, strict=True)
    ]
    run = read_run_record(runs / name / name)
    sent = sum(line.uplink_bytes + line.downlink_bytes for line in run.rounds)
    first = run.rounds[0].diagnostics
    leaks = [first.get(f"faug_leak_to_{whom}") for whom in ("server", "devices")]
    return Judged(
        statistics.mean(hits.double().mean().item() for hits in right),
        statistics.mean(own),
        8 * sent / devices / 1e6,
        None if None in leaks else (leaks[0] or 0.0, leaks[1] or 0.0),
    )


def right_of(folder: Path, run: str, device: int, judges: Pool) -> Tensor:
    """Tell which images a device's last model classifies right, as (images,) bool."""
    states = folder / ".federation" / "state"
    taken = take(find(states / run, device), server=folder / run, state_dir=states)
    with torch.inference_mode():
        found = [taken.network(prepare(part)).argmax(1) for part in _parts(judges)]
    return torch.cat(found) == torch.from_numpy(judges.labels)


def _parts(judges: Pool) -> Sequence[Tensor]:
    return torch.split(torch.from_numpy(judges.images), _AT_ONCE)


def _row(judged: Sequence[Judged]) -> str:
    leaks = [one.leaks for one in judged if one.leaks]
    told = [f"{statistics.mean(column):.2f}" for column in zip(*leaks, strict=True)]
    cells = (
        over_seeds([one.accuracy for one in judged]),
        over_seeds([one.on_targets for one in judged]),
        *(told or ("—", "—")),
        f"{statistics.mean(one.megabits for one in judged):.3g}",
    )
    return " | ".join(cells)


if __name__ == "__main__":
    main()
