"""The demos of few labels: devices with unlike models, and many samples without labels.

One is of images, one of texts (``text_demo``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, final

from rich.console import Console

from local_federation.campaign import Campaign
from local_federation.own_defaults import typed_over
from local_federation.text_demo import TEXT_RUNS, TEXT_SETTINGS, TEXT_TOLD
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


_TOLD: Final = (
    "Federating pays most where devices have few labels of one task and all hold the same samples "
    "without labels, about which they teach each other (DS-FL): with hundreds of labels each it is "
    "a few points, and unlike models without such samples need not gain at all. Measured in "
    "docs/results.md."
)


@final
@dataclass(frozen=True)
class Demo:
    """What is played, one run after another on the same settings.

    Attributes
    ----------
    name : str
        Of the command.
    settings : Mapping[str, Value]
        Of all runs; what the user sets counts before them.
    runs : Mapping[str, Mapping[str, Value]]
        What is each run's own, by name: the first is of clients alone.
    told : str
        What to expect elsewhere.
    """

    name: str
    settings: Mapping[str, Value]
    runs: Mapping[str, Mapping[str, Value]]
    told: str

    def play(self, asked: Campaign, console: Console) -> None:
        """Play all runs, show each beside clients alone, and say what to expect elsewhere."""
        settings = typed_over(self.name, self.settings, asked.settings, console)
        campaign = replace(asked, settings=settings)
        names = [display_name(str(run["method"])) for run in self.runs.values()]
        console.print(f"{', '.join(names)}: {asked.num_clients} clients, simulated")
        campaign.play(self.runs, console)
        alone, *others = self.runs
        for name in others:
            campaign.show(name, alone, console)
        ends = ", ".join(self._end(campaign, name) for name in self.runs)
        console.print(f"Mean accuracies: {ends}. {self.told}", highlight=False, soft_wrap=True)

    @staticmethod
    def _end(campaign: Campaign, name: str) -> str:
        run = read_run_record(campaign.folder / name)
        reached = run.last.accuracy if run.last else None
        return f"{display_name(run.method)} {'none' if reached is None else f'{reached:.3f}'}"


DEMO: Final = Demo("demo", DEMO_SETTINGS, _RUNS, _TOLD)
TEXT_DEMO: Final = Demo("demo-text", TEXT_SETTINGS, TEXT_RUNS, TEXT_TOLD)
