"""What a pretrained generator is worth to FedKTL: the same runs with better and worse ones.

Three settings, three seeds: MNIST over 20 unlike clients with a tenth of its samples,
CIFAR-10 over 10 unlike clients with 100 training images each, and a single client with
2, 9 and 23 images per class. In each, Local, FedKTL without a generator, and FedKTL with
pictures of noise, with ``oriented`` and with StyleGAN2s that ``pretrain_generator`` trained
on another data set. Everything but the generator is the same. The last three once more with
``fedktl.freeze-batch-norm``, so that clients' batch normalisation keeps the statistics of
their own images.

Runs are played in this process's children over a loopback grid, two at a time; complete
ones are kept, so that the benchmark can be stopped and started again. Every number is of
the last round, each client's own model on its own test split.

Run with ``python -m benchmarks.pretrained_knowledge DATA --cifar10 FILE --mnist FILE``,
where DATA holds ``cifar10`` and ``pfllib/mnist``. With ``--half FILE`` alone the
generator has seen one half of CIFAR-10 (``benchmarks.pretraining.halves`` cuts it into
``DATA/halves``) and the clients hold some of the other: the same kind of pictures, which is
what the paper's claim needs.
"""

import argparse
import multiprocessing
import shutil
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import torch
from rich.progress import Progress

from benchmarks.results import RESULTS, complete, over_seeds, write_block
from client_app.data import pfllib, split
from server_app.run_record import read_run_record
from strategies.common import seeds
from tests.loopback import Federation

ROOT = Path(__file__).parent.parent
MODELS = "cnn,resnet4,resnet6,resnet8"
HALF = "one half of CIFAR-10"
Overrides = Mapping[str, bool | int | float | str]
# Nothing but the generator may differ, so neither may what follows the generator by default.
SAME: Overrides = {
    "fedktl.transfer-weight": 50.0,
    "fedktl.alignment-weight": 1.0,
    "fedktl.server-learning-rate": 0.01,
    "fedktl.mmd-bandwidths": "median",
    "round-deadline-s": 3600.0,
    "evaluate-every": 0,
}


@final
@dataclass(frozen=True)
class Setting:
    """Clients and data of one comparison.

    Attributes
    ----------
    name : str
        Part of the runs' names.
    title : str
        Head of its column.
    pretrained_on : str
        Data set that its pretrained generator has seen: not its own.
    num_clients, rounds : int
        Size of a run.
    overrides : Overrides
        Data and training.
    """

    name: str
    title: str
    pretrained_on: str
    num_clients: int
    rounds: int
    overrides: Overrides


@final
@dataclass(frozen=True)
class Job:
    """One run: its name, the folder of all runs, and its settings."""

    name: str
    folder: Path
    num_clients: int
    overrides: Overrides


def main() -> None:
    """Play what is missing and write the table."""
    options = _options()
    folder = options.folder.resolve()
    settings = list(_settings(options, folder))
    if not settings:
        raise SystemExit("pretrained_knowledge: expected --cifar10 and --mnist, or --half")
    given = {"CIFAR-10": options.cifar10, "MNIST": options.mnist, HALF: options.half}
    files = {name: file.resolve() for name, file in given.items() if file}
    jobs = {
        (setting.name, variant, seed): _job(setting, variant, overrides, seed, folder)
        for setting in settings
        for variant, overrides in _variants(files[setting.pretrained_on]).items()
        # A CNN has no statistics to keep apart.
        if setting.overrides["models"] == MODELS or "own statistics" not in variant
        for seed in options.seeds
    }
    missing = [
        job
        for (setting, _, _), job in jobs.items()
        if not _done(job) and (options.only is None or setting in options.only)
    ]
    with Progress() as progress, multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
        task = progress.add_task("runs", total=len(missing))
        for _ in pool.imap_unordered(_play, missing):
            progress.advance(task)
    settled = [
        s for s in settings if all(_done(j) for (own, *_), j in jobs.items() if own == s.name)
    ]
    if settled:
        block = "pretrained_half" if options.half else "pretrained_knowledge"
        write_block(block, _table(settled, jobs, options.seeds))
        progress.console.print(f"written: {RESULTS}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder with cifar10 and pfllib/mnist")
    parser.add_argument("--cifar10", type=Path, help="StyleGAN2 of CIFAR-10")
    parser.add_argument("--mnist", type=Path, help="StyleGAN2 of MNIST")
    parser.add_argument("--half", type=Path, help="StyleGAN2 of one half of CIFAR-10")
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "pretrained_knowledge")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--only", nargs="*", help="play these comparisons alone; all that are complete are written"
    )
    parser.add_argument("--jobs", type=int, default=2, help="runs at once")
    return parser.parse_args()


def _variants(pretrained: Path) -> dict[str, Overrides]:
    """Return the rows of the table: what the server draws with, if anything."""
    generators = {
        "noise pictures": "noise",
        "oriented": "oriented",
        "pretrained StyleGAN2": f"stylegan:{pretrained}",
    }
    plain: dict[str, Overrides] = {
        f"FedKTL, {name}": {"method": "fedktl", "generator": spec}
        for name, spec in generators.items()
    }
    frozen: dict[str, Overrides] = {
        f"{name}, own statistics": {**overrides, "fedktl.freeze-batch-norm": True}
        for name, overrides in plain.items()
    }
    return {
        "Local": {"method": "local"},
        "FedKTL, no generator": {"method": "fedktl", "fedktl.transfer-weight": 0.0},
        **plain,
        **frozen,
    }


def _settings(options: argparse.Namespace, folder: Path) -> Iterator[Setting]:
    if options.half:
        yield _digits(options, folder, HALF)
        yield from _pictures(options.data / "halves" / "second", HALF)
    elif options.cifar10 and options.mnist:
        yield _digits(options, folder, "CIFAR-10")
        yield from _pictures(options.data / "cifar10", "MNIST")


def _digits(options: argparse.Namespace, folder: Path, pretrained_on: str) -> Setting:
    tenth = folder / "mnist-tenth"
    if not (tenth / "config.json").exists():
        _write_tenth(options.data / "pfllib" / "mnist", tenth)
    return Setting(
        name="mnist",
        title="MNIST, 20 clients",
        pretrained_on=pretrained_on,
        num_clients=20,
        rounds=10,
        overrides={
            "data": f"pfllib:{tenth}",
            "models": MODELS,
            "min-train-samples": 2,
            "min-test-samples": 1,
        },
    )


def _pictures(place: Path, pretrained_on: str) -> Iterator[Setting]:
    cifar10 = f"parquet:{place.resolve()}"
    yield Setting(
        name="cifar10",
        title="CIFAR-10, 10 clients",
        pretrained_on=pretrained_on,
        num_clients=10,
        rounds=20,
        overrides={
            "data": cifar10,
            "models": MODELS,
            "dirichlet-alpha": 0.1,
            "max-samples": 200,
            "test-fraction": 0.5,
        },
    )
    for shots in (2, 9, 23):
        count = 1000 + 10 * shots
        yield Setting(
            name=f"cloud-edge-{shots}",
            title=f"1 client, {shots} per class",
            pretrained_on=pretrained_on,
            num_clients=1,
            rounds=50,
            overrides={
                "data": cifar10,
                "models": "cnn",
                "partition": "iid",
                "max-samples": count,
                "test-fraction": 1000 / count,
            },
        )


def _write_tenth(source: Path, target: Path) -> None:
    """Write a tenth of each client's training and test samples, class by class."""
    for part, choose in (("train", 0), ("test", 1)):
        (target / part).mkdir(parents=True, exist_ok=True)
        for path in sorted((source / part).glob("*.npz")):
            samples = pfllib.read(source, int(path.stem))[choose]
            randomness = seeds.generator(0, f"tenth-{part}-{path.stem}")
            kept = split.split(samples.labels, 0.1, randomness)[1]
            arrays = {"x": samples.inputs[kept].numpy(), "y": samples.labels[kept].numpy()}
            np.savez_compressed(target / part / path.name, data=np.array(arrays, dtype=object))
    (target / "config.json").write_text((source / "config.json").read_text())


def _job(setting: Setting, variant: str, overrides: Overrides, seed: int, folder: Path) -> Job:
    name = f"{setting.name}-{variant.replace(', ', '-').replace(' ', '-').lower()}-seed{seed}"
    every: Overrides = {
        **SAME,
        **setting.overrides,
        **overrides,
        "seed": seed,
        "rounds": setting.rounds,
    }
    # One place for all runs' states, so that data is prepared once for a seed.
    places = {"run-name": name, "runs-dir": str(folder), "state-dir": str(folder / "state")}
    return Job(name, folder, setting.num_clients, {**every, **places})


def _play(job: Job) -> None:
    torch.set_num_threads(1)
    shutil.rmtree(job.folder / job.name, ignore_errors=True)
    shutil.rmtree(job.folder / "state" / job.name, ignore_errors=True)
    Federation(job.folder, job.num_clients, job.overrides, report=True).play()


def _done(job: Job) -> bool:
    return complete(job.folder / job.name, job.overrides)


def _table(
    settings: list[Setting], jobs: Mapping[tuple[str, str, int], Job], seed_list: list[int]
) -> str:
    names = list(dict.fromkeys(variant for _, variant, _ in jobs))
    lines = [
        "| " + " | ".join(["", *(setting.title for setting in settings)]) + " |\n",
        "|---" * (len(settings) + 1) + "|\n",
    ]
    base = {s.name: _accuracies(jobs, s.name, names[0], seed_list) for s in settings}
    for variant in names:
        cells = []
        for setting in settings:
            if (setting.name, variant, seed_list[0]) not in jobs:
                cells.append("")
                continue
            found = _accuracies(jobs, setting.name, variant, seed_list)
            gain = [a - b for a, b in zip(found, base[setting.name], strict=True)]
            against = f" ({100 * statistics.mean(gain):+.1f})" if variant != names[0] else ""
            cells.append(over_seeds(found) + against)
        lines.append("| " + " | ".join([variant, *cells]) + " |\n")
    rounds = ", ".join(f"{setting.title}: {setting.rounds}" for setting in settings)
    return (
        f"Accuracy in the last round, per cent, mean ± standard deviation over seeds "
        f"{', '.join(map(str, seed_list))}; in brackets the mean difference from Local at the "
        f"same seed. Rounds of one epoch: {rounds}. Batch 10, SGD at 0.01.\n\n" + "".join(lines)
    )


def _accuracies(
    jobs: Mapping[tuple[str, str, int], Job], setting: str, variant: str, seed_list: list[int]
) -> list[float]:
    played = [jobs[setting, variant, seed] for seed in seed_list]
    lines = [read_run_record(job.folder / job.name).rounds[-1] for job in played]
    return [line.accuracy or 0.0 for line in lines]


if __name__ == "__main__":
    main()
