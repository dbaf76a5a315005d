"""A tiny federation of every method: a few samples, a few weights, two rounds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from federations.split_federation import ADAPTING, EXCHANGING, TINY, share_prepared_data
from loopback import Federation

from server_app.report.glossary import diagnostics_of, losses_of
from strategies import methods

Settings = dict[str, bool | int | float | str]

_MESSAGES: Settings = {
    "models": "cnn,resnet4",
    "data": "digits",
    "max-samples": 80,
    "feature-dim": 32,
    "rounds": 2,
    "fedktl.server-epochs": 5,
    "fedgen.generator-steps": 5,
    "fedtgp.server-epochs": 5,
    # Else what a round keeps depends on how many there are, as with a schedule.
    "fedkd.energy-end": 0.95,
    "fedmrl.shared-dim": 16,
    "fedl2g.warm-up-rounds": 0,
}

_OPEN: Settings = {
    **_MESSAGES,
    "open-data": "digits",
    "open-samples": 60,
    "dsfl.samples-per-round": 40,
    "fedmd.samples-per-round": 40,
    "fedmd.pretrain-epochs": 1,
    "feddf.distill-steps": 5,
}

_ADAPTERS: Settings = {
    "data": "digitgrid:function",
    "max-samples": 40,
    "rounds": 2,
    "evaluate-every": 1,
    "batch-size": 8,
    "adapters.rank": 2,
    "adapters.learning-rate": 0.01,
    "fedlora.ranks": "2,3",
}

# What devices of methods with adapters would load.
STAND_INS = {"client_app.backbones.loading.load": "tests.strategies.tiny_backbone:TinyBackbone"}


def tiny(folder: Path, method: str, nodes: int | None = None, **overrides: Any) -> Federation:
    """Return a federation of a method; overrides by Python name, tables by ``__``."""
    share_prepared_data(folder)
    kebab = {key.replace("__", ".").replace("_", "-"): value for key, value in overrides.items()}
    if method in EXCHANGING:
        usual, settings = 2, TINY
    else:
        usual, settings = 3, _ADAPTERS if method in ADAPTING else _MESSAGES
    if methods.needs_open_data(method):
        settings = _OPEN
    return Federation(folder, nodes or usual, {**settings, "method": method, **kebab})


def unstated(
    method: str, lines: Sequence[Mapping[str, Any]], augmentation: str = "none"
) -> set[str]:
    """Return numbers of a journal for which a method does not state how they are drawn."""
    shown = methods.presentation(method, {"augmentation": augmentation})
    measured = {n.removeprefix("untrained_") for line in lines for n in line["diagnostics"]}
    losses = {n for line in lines for node in line["nodes"].values() for n in node["losses"]}
    # What every method is tested with has a chart of its own.
    left = measured - {n for one in diagnostics_of(shown) for n in one.curves} - {"accuracy"}
    return left | (losses - {n for one in losses_of(shown) for n in one.curves})
