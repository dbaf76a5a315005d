"""Whole federations of users' own models."""

import json
from pathlib import Path

import pytest
from loopback import Federation

pytestmark = pytest.mark.federation

SMALL = {"method": "fedproto", "rounds": 1, "max-samples": 60, "feature-dim": 16}
NET = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self, inputs, num_classes):
        super().__init__(nn.Flatten(), nn.Linear(inputs.height * inputs.width, 24), nn.ReLU())

def broken(inputs, num_classes):
    return nn.Conv2d(inputs.channels, 4, 3)
"""


def test_a_file_stands_beside_the_zoo_and_is_shown_by_its_name_alone(tmp_path: Path) -> None:
    (tmp_path / "mymodels.py").write_text(NET)
    models = f"{tmp_path}/mymodels.py:Net, resnet4"
    federation = Federation(tmp_path, 2, {**SMALL, "models": models})
    (line,) = federation.play()
    assert [node["model"] for node in line["nodes"].values()] == ["Net", "resnet4"]
    told = json.loads((federation.run_folder / "clients.json").read_text())
    assert [client["model"] for client in told["clients"].values()] == ["Net", "resnet4"]


def test_a_node_names_its_own_and_one_that_is_no_model_is_left_out_by_name(tmp_path: Path) -> None:
    (tmp_path / "mymodels.py").write_text(NET)
    federation = Federation(tmp_path, 2, {**SMALL, "models": "cnn", "min-nodes": 1})
    nodes = federation.grid.node_configs
    nodes[100] = {**nodes[100], "model": f"{tmp_path}/mymodels.py:Net"}
    nodes[101] = {**nodes[101], "model": f"{tmp_path}/mymodels.py:broken"}
    (line,) = federation.play()
    assert {node["model"] for node in line["nodes"].values()} == {"Net"}
