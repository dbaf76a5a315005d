"""Tiny federations of the methods that exchange activations within a round."""

from pathlib import Path
from typing import Any

from loopback import Federation
from torch import Tensor

from strategies import methods
from strategies.common import tensor_file

EXCHANGING = [name for name in methods.METHODS if methods.exchanges(name)]
ADAPTING = [name for name in methods.METHODS if methods.adapts(name)]
OTHERS = [name for name in methods.METHODS if name not in (*EXCHANGING, *ADAPTING)]

TINY: dict[str, bool | int | float | str] = {
    "data": "digits",
    "partition": "iid",
    "max-samples": 40,
    "rounds": 2,
    "batch-size": 4,
    "learning-rate": 0.01,
    "clients-per-node": 2,
    "split.width": 4,
    "split.cut": 1,
    "split.profile": False,
    "mocosfl.batch": 4,
    "mocosfl.steps-per-round": 2,
    "mocosfl.memory-size": 64,
    "mocosfl.projection-hidden": 16,
    "mocosfl.projection-dim": 16,
    "mocosfl.probe-epochs": 2,
    "mocosfl.semi-supervised": False,
    "splitfed.steps-per-round": 2,
}


# The one folder in which a run of the tests keeps prepared data, once there is one.
PREPARED: list[Path] = []


def federation(folder: Path, method: str, *, nodes: int = 2, **overrides: Any) -> Federation:
    """Return a federation of a split method; overrides by Python name, tables by ``__``."""
    kebab = {key.replace("__", ".").replace("_", "-"): value for key, value in overrides.items()}
    share_prepared_data(folder)
    return Federation(folder, nodes, {**TINY, "method": method, **kebab})


def share_prepared_data(folder: Path) -> None:
    """Let a federation find the data that an earlier test's federation prepared."""
    link = folder / "state" / "prepared"
    if PREPARED and not link.exists():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(PREPARED[0])


def server_state(played: Federation) -> dict[str, Tensor]:
    """Return the server half's state after the last round."""
    folder = played.run_folder / "checkpoints"
    return tensor_file.read(tensor_file.of_round(folder, tensor_file.rounds_in(folder)[-1]))[0]
