"""The demo of adapters: FedDAT on five clients that see grids of digits in five ways."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from client_app import pretrain_backbone
from client_app.backbones import loading
from client_app.backbones.pretraining.recipe import Recipe
from local_federation import examples
from local_federation.campaign import Campaign
from local_federation.own_defaults import typed_over
from server_app.report import page
from server_app.run_record import RunRecord, read_run_record
from strategies.methods import display_name

Value = bool | int | float | str

ADAPTER_CLIENTS: Final = 5
_SHOWN = 8

# Minutes on two cores once the backbone is there.
ADAPTER_SETTINGS: Final[Mapping[str, Value]] = {
    "data": "digitgrid:domain",
    "rounds": 25,
    "evaluate-every": 5,
    "batch-size": 32,
    "device": "cpu",
    "server-device": "cpu",
    "adapters.rank": 8,
    "adapters.learning-rate": 0.004,
}
ALONE: Final[Mapping[str, Value]] = {"method": "fedadapter", "fedadapter.shared-rounds": 0}
# What the demo plays, in this order; the first is the baseline.
RUNS: Final[Mapping[str, tuple[str, Mapping[str, Value]]]] = {
    "alone": ("each client alone", ALONE),
    "average": ("FedAvg on adapters", {"method": "fedadapter"}),
    "feddat": ("FedDAT", {"method": "feddat"}),
}


def defaults(folder: Path, overrides: Mapping[str, Value], console: Console) -> Mapping[str, Value]:
    """Return the demo's settings, with a foundation model that is there.

    Parameters
    ----------
    folder : Path
        Holds the model from one federation to the next.
    overrides : Mapping[str, Value]
        The user's own; nothing is pretrained where they name a model.
    console : Console
        Where progress is shown.

    Raises
    ------
    NectarError
        If it cannot be made.
    """
    own = planned(folder, overrides)
    if "adapters.backbone" in own:
        backbone_in(folder, console)
    return own


def planned(folder: Path, overrides: Mapping[str, Value]) -> Mapping[str, Value]:
    """Return the demo's settings as :func:`defaults` does, and pretrain nothing."""
    if "adapters.backbone" in overrides:
        return ADAPTER_SETTINGS
    return {**ADAPTER_SETTINGS, "adapters.backbone": f"folder:{_backbone(folder)}"}


def backbone_in(folder: Path, console: Console) -> str:
    """Return the setting that names the demo's foundation model, pretrained if it is missing.

    Parameters
    ----------
    folder : Path
        Holds the model from one federation to the next.
    console : Console
        Where progress is shown.

    Raises
    ------
    NectarError
        If it cannot be made.
    """
    place = _backbone(folder)
    if not place.exists():
        console.print("The foundation model is pretrained once, on digits that no client has")
        pretrain_backbone.pretrain(Recipe(), place, replace=False, console=console)
    return f"folder:{place}"


def _backbone(folder: Path) -> Path:
    return loading.cache_folder(folder) / loading.DIGITGRID


def play(asked: Campaign, console: Console) -> Path:
    """Play the demo and return the folder of FedDAT's run.

    Parameters
    ----------
    asked : Campaign
        Where and by whom it is played; its settings are those that differ from the demo's. Its
        folder takes the foundation model too.
    console : Console
        Where to show progress.
    """
    folder = asked.folder
    named = {f"demo-adapters-{name}": dict(own) for name, (_, own) in RUNS.items()}
    *others, last = named
    named[last]["compare-with"] = others[0]
    # Before minutes are spent on the model.
    replace(asked, settings={**ADAPTER_SETTINGS, **asked.settings}).check(named)
    own = defaults(folder, asked.settings, console)
    settings = typed_over("demo-adapters", own, asked.settings, console)
    campaign = replace(asked, settings=settings)
    campaign.play(named, console)
    examples.answer(folder / last, _SHOWN)
    page.write_report(folder / last, compare_dir=folder / others[0])
    console.print(_table([read_run_record(folder / name) for name in named]))
    return folder / last


def _table(runs: list[RunRecord]) -> Table:
    """Return every run's last accuracies, by the model that gave them."""
    table = Table("run", "answered with", "accuracy", "up per round", "seconds")
    models = {
        "shared": "the shared adapter",
        "teacher": "the teacher",
        "local": "its own",
        "own": "its own",
    }
    for run, (title, _) in zip(runs, RUNS.values(), strict=True):
        last = run.last
        if last is None:
            continue
        up = last.uplink_bytes / max(len(last.answered), 1)
        seconds = sum(line.seconds.get("total", 0.0) for line in run.rounds)
        for name, score in last.scores.items():
            table.add_row(title, models[name], f"{score:.3f}", f"{up:,.0f} B", f"{seconds:.0f}")
    table.title = f"{display_name('feddat')} and what it is to be compared with, last round"
    return table
