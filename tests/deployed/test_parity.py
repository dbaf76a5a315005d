"""Simulated equals deployed: the same numbers to the last digit, whatever carries them."""

import json
from pathlib import Path
from typing import Any

import pytest
from deployed.conftest import TINY
from federations.split_federation import ADAPTING, EXCHANGING
from federations.split_federation import TINY as SPLIT
from loopback import Federation, without_clocks
from rich.console import Console

from local_federation.campaign import Campaign
from strategies.methods import METHODS
from tests.client_app.backbones import tiny_backbones

pytestmark = [pytest.mark.deployed, pytest.mark.timeout(1800)]

SETTINGS = {**TINY, "rounds": 3, "models": "cnn,resnet4,resnet6", "max-samples": 120}
# Two clients on every node, and evaluations before, between and after.
SPLIT_SETTINGS = {**SETTINGS, **SPLIT, "rounds": 3, "evaluate-every": 2}
CLIENTS = 3


def settings(method: str, backbone: Path) -> dict[str, bool | int | float | str]:
    chosen = {**(SPLIT_SETTINGS if method in EXCHANGING else SETTINGS), "method": method}
    if method in ADAPTING:
        chosen |= {"data": "digitgrid:function", "evaluate-every": 2}
        chosen |= {"adapters.backbone": f"folder:{backbone}", "adapters.learning-rate": 0.01}
        chosen |= {"fedlora.ranks": "2,3"}
    return chosen


def over_loopback(folder: Path, method: str, backbone: Path) -> list[dict[str, Any]]:
    overrides = {**settings(method, backbone), "run-name": method}
    return Federation(folder, CLIENTS, overrides).play()


def over_processes(
    folder: Path, backbone: Path, *, simulated: bool
) -> dict[str, list[dict[str, Any]]]:
    campaign = Campaign(folder, CLIENTS, simulated, {})
    runs = {method: settings(method, backbone) for method in METHODS}
    campaign.play(runs, Console(quiet=True))
    return {
        method: [
            json.loads(line) for line in (folder / method / "rounds.jsonl").read_text().splitlines()
        ]
        for method in METHODS
    }


def test_loopback_ray_and_deployed_agree_to_the_last_digit(tmp_path: Path) -> None:
    backbone = tiny_backbones.save(tmp_path / "backbone", "masked")
    loopback = {m: over_loopback(tmp_path / "loop", m, backbone) for m in METHODS}
    again = {m: over_loopback(tmp_path / "again", m, backbone) for m in METHODS}
    simulated = over_processes(tmp_path / "simulated", backbone, simulated=True)
    deployed = over_processes(tmp_path / "deployed", backbone, simulated=False)

    for method in METHODS:
        expected = without_clocks(loopback[method])
        assert [line["round"] for line in expected] == [1, 2, 3]
        assert without_clocks(again[method]) == expected, method
        assert without_clocks(simulated[method]) == expected, method
        assert without_clocks(deployed[method]) == expected, method
