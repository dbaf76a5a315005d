"""Runs of methods with adapters that differ in nothing but the method, played a few at a time.

Complete runs are kept, so that a benchmark can be stopped and started again. Each is played
over a loopback grid in a process of its own with one thread.
"""

import argparse
import multiprocessing
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import torch
from rich.progress import Progress

from benchmarks.results import complete
from server_app.run_record import RunRecord, read_run_record
from tests.loopback import Federation

Overrides = Mapping[str, bool | int | float | str]

CLIENTS: Final = 5
# Compute of one batch of FedDAT: three forward and two backward passes for one of each; without
# distillation the first of the forward passes has no purpose.
_FEDDAT: Final = 7 / 3
_NO_DISTILLATION: Final = 2.0
_ALONE: Final[Overrides] = {"method": "fedadapter", "fedadapter.shared-rounds": 0}
_AVERAGE: Final[Overrides] = {"method": "fedadapter"}
_MATCHED: Final[Overrides] = {"fedadapter.compute": _FEDDAT}


@final
@dataclass(frozen=True)
class Variant:
    """One method as it is compared.

    Attributes
    ----------
    title : str
        What it is.
    compute : float
        Of a round, in passes of FedAvg's; a backward pass counts as two forward ones.
    overrides : Overrides
        Settings that make it.
    """

    title: str
    compute: float
    overrides: Overrides


def variants(rounds: int) -> dict[str, Variant]:
    """Return the methods by the names of their runs."""
    together = rounds * 4 // 5
    tuned = {**_AVERAGE, "fedadapter.shared-rounds": together}
    then_alone = f"FedAvg {together} rounds, then alone"
    return {
        "local": Variant("Local", 1, _ALONE),
        "local-matched": Variant("Local, FedDAT's compute", _FEDDAT, {**_ALONE, **_MATCHED}),
        "fedavg": Variant("FedAvg on adapters", 1, _AVERAGE),
        "fedavg-matched": Variant("FedAvg, FedDAT's compute", _FEDDAT, {**_AVERAGE, **_MATCHED}),
        "fedavg-tuned": Variant(then_alone, 1, tuned),
        "fedavg-tuned-matched": Variant(
            f"{then_alone}, FedDAT's compute", _FEDDAT, {**tuned, **_MATCHED}
        ),
        "fedlora": Variant("FedLoRA, stacked", 1, {"method": "fedlora"}),
        "feddat": Variant("FedDAT", _FEDDAT, {"method": "feddat"}),
        "feddat-no-kl": Variant(
            "FedDAT without distillation",
            _NO_DISTILLATION,
            {"method": "feddat", "feddat.alpha": 0.0, "feddat.beta": 0.0},
        ),
    }


@final
@dataclass(frozen=True)
class Job:
    """One run: its name, the folder of all runs, and its settings."""

    name: str
    folder: Path
    overrides: Overrides

    @property
    def is_done(self) -> bool:
        """Whether it was played to its end."""
        return complete(self.folder / self.name, self.overrides)

    def record(self) -> RunRecord:
        """Return what came of it."""
        return read_run_record(self.folder / self.name)


def job(name: str, folder: Path, backbone: Path, rounds: int, overrides: Overrides) -> Job:
    """Return a run with what all runs have in common.

    Parameters
    ----------
    name : str
        Of the run.
    folder : Path
        Takes all runs.
    backbone : Path
        Folder of the tiny ViLT.
    rounds : int
        How many.
    overrides : Overrides
        Its own settings.
    """
    place = folder.resolve()
    settings: Overrides = {
        "test-fraction": 1 / 3,
        "batch-size": 32,
        "evaluate-every": 5,
        "adapters.backbone": f"folder:{backbone.resolve()}",
        "adapters.rank": 8,
        "adapters.learning-rate": 0.004,
        "round-deadline-s": 3600.0,
        **overrides,
        "rounds": rounds,
        "run-name": name,
        "runs-dir": str(place),
        "state-dir": str(place / "state"),
    }
    return Job(name, place, settings)


def play(jobs: Sequence[Job], at_once: int) -> None:
    """Play what is missing, so many runs at a time, with progress."""
    missing = [job for job in jobs if not job.is_done]
    with (
        Progress() as progress,
        multiprocessing.get_context("spawn").Pool(at_once, maxtasksperchild=1) as pool,
    ):
        task = progress.add_task("runs", total=len(missing))
        for _ in pool.imap_unordered(_play, missing):
            progress.advance(task)


def add_options(parser: argparse.ArgumentParser, folder: str) -> None:
    """Add the options that all benchmarks with adapters take."""
    runs = Path(__file__).parent.parent / "runs"
    parser.add_argument("--backbone", type=Path, required=True, help="folder of the tiny ViLT")
    parser.add_argument("--folder", type=Path, default=runs / folder, help="takes the runs")
    parser.add_argument("--jobs", type=int, default=2, help="runs at once")


def scores(records: Sequence[RunRecord]) -> Iterator[tuple[str, list[float]]]:
    """Return each model that answered after the last round, and its accuracy by seed."""
    last = [record.rounds[-1].scores for record in records]
    for model in last[0]:
        yield model, [found[model] for found in last]


def _play(job: Job) -> None:
    torch.set_num_threads(1)
    shutil.rmtree(job.folder / job.name, ignore_errors=True)
    shutil.rmtree(job.folder / "state" / job.name, ignore_errors=True)
    Federation(job.folder, CLIENTS, job.overrides).play()
