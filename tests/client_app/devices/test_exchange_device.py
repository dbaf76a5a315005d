"""A node that carries several logical clients."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from client_app.devices.exchange_device import ExchangeNode
from client_app.devices.message_device import LocalDevice
from client_app.node import NodeConfig
from strategies.common.errors import DataError, ExchangeError
from strategies.common.run_config import default_config, read_table
from strategies.common.settings import RunSettings
from strategies.common.split.settings import SplitSettings

Build = Callable[..., RunSettings]


def config(settings: RunSettings, partition: int, nodes: int) -> NodeConfig:
    return NodeConfig(partition_id=partition, num_partitions=nodes, state_dir=settings.state_dir)


def node(settings: RunSettings, partition: int, nodes: int, carried: int) -> ExchangeNode:
    split = read_table(default_config(), "split", SplitSettings)
    several = settings.model_copy(update={"clients_per_node": carried})
    return ExchangeNode(split, config(several, partition, nodes), several, 1)


def test_clients_of_a_node_hold_what_nodes_of_their_own_would(
    run_settings: Build, tmp_path: Path
) -> None:
    settings = run_settings(state_dir=str(tmp_path), partition="iid", device="cpu")
    carried = node(settings, partition=1, nodes=2, carried=3).clients
    assert [client.partition for client in carried] == [3, 4, 5]
    for client in carried:
        alone = LocalDevice(config(settings, client.partition, nodes=6), settings, 1)
        assert alone.clients == (alone,)
        assert torch.equal(client.train.inputs, alone.train.inputs)
        assert torch.equal(client.test.labels, alone.test.labels)
        assert torch.equal(
            torch.rand(3, generator=client.generator("views")),
            torch.rand(3, generator=alone.generator("views")),
        )


@pytest.mark.parametrize("kind", ["folder", "own-csv"])
def test_what_is_ones_own_is_not_dealt_to_several(
    run_settings: Build, tmp_path: Path, kind: str
) -> None:
    settings = run_settings(state_dir=str(tmp_path), data=f"{kind}:{tmp_path}")
    with pytest.raises(DataError, match=r"clients-per-node: expected 1 .* got 2"):
        assert node(settings, partition=0, nodes=1, carried=2).clients


def test_without_an_invitation_there_is_no_stream(run_settings: Build, tmp_path: Path) -> None:
    settings = run_settings(state_dir=str(tmp_path))
    with pytest.raises(ExchangeError, match=r"round 1: expected an invitation"):
        assert node(settings, partition=0, nodes=1, carried=1).link
