"""Clients of unlike models have features of unlike scale: none is refused for that."""

from pathlib import Path

import pytest
from loopback import Federation

MINE = """
from torch import nn

def net(inputs, num_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs.height * inputs.width, 8), nn.ReLU())

def normed(inputs, num_classes):
    values = inputs.height * inputs.width
    return nn.Sequential(nn.Flatten(), nn.Linear(values, 64), nn.LayerNorm(64))
"""


@pytest.mark.federation
@pytest.mark.parametrize(("models", "clients"), [("cnn,{}:net", 3), ("cnn,cnn,cnn,{}:normed", 4)])
def test_a_model_of_ones_own_among_cnns_takes_part_from_the_first_round(
    tmp_path: Path, models: str, clients: int
) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    settings = {
        "method": "fedproto",
        "models": models.format(tmp_path / "mine.py"),
        "data": "digits",
        "max-samples": 40,
        "feature-dim": 16,
        "rounds": 2,
    }
    for line in Federation(tmp_path, clients, settings).play():
        assert [node for node in line["nodes"].values() if "failure" in node] == []
        assert len(line["nodes"]) == clients
