"""The demo: devices with few labels, and many samples without that all hold."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from rich.console import Console

from local_federation.campaign import Campaign
from local_federation.own_defaults import typed_over
from server_app.run_record import read_run_record
from strategies.methods import display_name

Value = bool | int | float | str

# Twenty digits to learn from and sixty to test on for each client: docs/results.md has five seeds.
DEMO_SETTINGS: Final[Mapping[str, Value]] = {
    "rounds": 8,
    "models": "cnn,resnet4,resnet6",
    "partition": "iid",
    "max-samples": 80,
    "test-fraction": 0.75,
    "min-train-samples": 6,
    "learning-rate": 0.02,
    "local-epochs": 20,
    "open-data": "digits",
    "open-samples": 500,
    "dsfl.aggregation": "power",
    "dsfl.samples-per-round": 200,
    "dsfl.distill-batch-size": 20,
    "dsfl.distill-epochs": 2,
    "device": "cpu",
    "server-device": "cpu",
}
_ALONE: Final = "demo-local"
# By name, in the order in which they are played; the last one's report is the demo's.
_RUNS: Final[Mapping[str, Mapping[str, Value]]] = {
    _ALONE: {"method": "local"},
    "demo-fedktl": {"method": "fedktl", "compare-with": _ALONE},
    "demo": {"method": "dsfl", "compare-with": _ALONE},
}


def play(asked: Campaign, console: Console) -> None:
    """Play each client alone, FedKTL and DS-FL, and say what to expect of them elsewhere."""
    settings = typed_over("demo", DEMO_SETTINGS, asked.settings, console)
    campaign = replace(asked, settings=settings)
    names = [display_name(str(run["method"])) for run in _RUNS.values()]
    console.print(f"{', '.join(names)}: {asked.num_clients} clients, simulated")
    campaign.play(_RUNS, console)
    for name in list(_RUNS)[1:]:
        campaign.show(name, _ALONE, console)
    console.print(_told(campaign), highlight=False, soft_wrap=True)


def _told(campaign: Campaign) -> str:
    """Say who is ahead here, and where else that is to be expected."""
    ends = []
    for name in _RUNS:
        run = read_run_record(campaign.folder / name)
        reached = run.last.accuracy if run.last else None
        ends.append(f"{display_name(run.method)} {'none' if reached is None else f'{reached:.3f}'}")
    return (
        f"Mean accuracies: {', '.join(ends)}. Federating pays most where devices have few labels "
        f"of one task and all hold the same samples without labels, about which they teach each "
        f"other (DS-FL): with hundreds of labels each it is a few points, and unlike models "
        f"without such samples need not gain at all. Measured in docs/results.md."
    )
