"""Each method's curves in one small setting, kept beside this file so that a change is seen.

``python -m tests.federations.reference_curves [METHOD ...]`` writes those that are named, or all.
Whoever changes a method's mathematics on purpose writes them anew and says why in the commit.
"""

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

KEPT = Path(__file__).with_name("reference_curves.json")
SETTING: Mapping[str, Any] = {
    "rounds": 3,
    "max_samples": 160,
    "optimiser": "adamw",
    "learning_rate": 0.002,
    "local_epochs": 2,
    "evaluate_every": 1,
    "partition": "iid",
    # At the authors' scale rounding grows within four rounds to a fifth of FedKTL's loss.
    "fedktl__scale": 16.0,
    # Steps that mean something in three rounds.
    "fedtgp__server_epochs": 50,
    "fedl2g__server_learning_rate": 30.0,
}

Curves = dict[str, list[float]]


def curves_of(lines: Sequence[Mapping[str, Any]]) -> Curves:
    """Return mean accuracy and test loss of each round."""
    return {name: [round(line[name], 4) for line in lines] for name in ("accuracy", "loss")}


def kept() -> dict[str, Curves]:
    """Return all curves by method."""
    found: dict[str, Curves] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    return found


def main(methods: Sequence[str]) -> None:
    """Play methods and keep their curves."""
    from federations.split_federation import OTHERS
    from federations.tiny_federations import tiny

    every = kept()
    for method in methods or OTHERS:
        with tempfile.TemporaryDirectory() as folder:
            every[method] = curves_of(tiny(Path(folder), method, **SETTING).play())
    told = {method: every[method] for method in OTHERS if method in every}
    KEPT.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
