"""Simulated equals deployed: the same numbers to the last digit, whatever carries them.

One method of each kind is played, since the kind decides which messages and streams there
are; that no method keeps anything in memory is shown for all of them over loopback.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from deployed.conftest import NODES, TINY, Deployment
from federations.split_federation import TINY as SPLIT
from loopback import Federation, without_clocks
from rich.console import Console

from local_federation.campaign import Campaign, Carrier
from tests.client_app.backbones import tiny_backbones

pytestmark = [pytest.mark.deployed, pytest.mark.timeout(900)]

Settings = dict[str, bool | int | float | str]
Lines = list[dict[str, Any]]

MESSAGE: Settings = {
    **TINY,
    "method": "fedktl",
    "rounds": 3,
    "models": "cnn,resnet4,resnet6",
    "max-samples": 120,
}
# Two clients on every node, and evaluations before, between and after.
EXCHANGE: Settings = {**MESSAGE, **SPLIT, "method": "mocosfl", "rounds": 3, "evaluate-every": 2}
ADAPTER: Settings = {
    **MESSAGE,
    "method": "feddat",
    "data": "digitgrid:function",
    "evaluate-every": 2,
    "adapters.learning-rate": 0.01,
}


def over_loopback(folder: Path, name: str, settings: Settings) -> Lines:
    return Federation(folder, NODES, {**settings, "run-name": name}).play()


def carried(folder: Path, name: str, settings: Settings, carrier: Carrier) -> Lines:
    """Play with Flower's own programs, started as the command line starts them."""
    Campaign(folder, NODES, carrier, {}).play({name: settings}, Console(quiet=True))
    return [json.loads(line) for line in (folder / name / "rounds.jsonl").read_text().splitlines()]


def agreed_lines(folder: Path, name: str, settings: Settings) -> Lines:
    """Return what loopback wrote alike twice."""
    expected = without_clocks(over_loopback(folder / "loop", name, settings))
    assert [line["round"] for line in expected] == [1, 2, 3]
    assert without_clocks(over_loopback(folder / "again", name, settings)) == expected
    return expected


def assert_ray_agrees(folder: Path, name: str, settings: Settings, expected: Lines) -> None:
    simulated = carried(folder / "simulated", name, settings, "ray")
    assert without_clocks(simulated) == expected


def assert_deployed_agrees(deployment: Deployment, folder: Path, settings: Settings) -> Lines:
    # The run's name travels with every order, and its length is counted.
    expected = agreed_lines(folder, deployment.run_name, settings)
    run = deployment.submit(**settings)
    assert deployment.finish(run) == "finished:completed", deployment.logs()
    assert without_clocks(deployment.lines()) == expected
    return expected


def test_a_method_of_messages_agrees_to_the_last_digit(tmp_path: Path) -> None:
    expected = agreed_lines(tmp_path, "messages", MESSAGE)
    assert_ray_agrees(tmp_path, "messages", MESSAGE, expected)
    deployed = carried(tmp_path / "deployed", "messages", MESSAGE, "nodes")
    assert without_clocks(deployed) == expected


def test_a_method_of_exchange_agrees_to_the_last_digit(
    tmp_path: Path, deployment: Deployment
) -> None:
    expected = assert_deployed_agrees(deployment, tmp_path, EXCHANGE)
    assert_ray_agrees(tmp_path, deployment.run_name, EXCHANGE, expected)


def test_a_method_of_adapters_agrees_to_the_last_digit(
    tmp_path: Path, deployment: Deployment
) -> None:
    # Ray carries its messages as it carries those of the other message methods.
    backbone = tiny_backbones.save(tmp_path / "backbone", "masked")
    assert_deployed_agrees(
        deployment, tmp_path, {**ADAPTER, "adapters.backbone": f"folder:{backbone}"}
    )
