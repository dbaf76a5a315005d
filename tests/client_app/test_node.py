"""The node config: what an operator may say of a device, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flwr.common.config import parse_config_args

from client_app.node import read_node, read_words, state_folder
from strategies.common.errors import SettingsError
from strategies.common.settings import RunSettings

Value = bool | int | float | str


def test_the_two_keys_of_flowers_simulation_are_enough() -> None:
    node = read_node({"partition-id": 2, "num-partitions": 3})
    assert (node.partition_id, node.num_partitions) == (2, 3)
    assert (node.state_dir, node.data, node.model) == ("", "", "")


def test_a_device_may_have_its_own_state_data_and_model() -> None:
    node = read_node(
        {
            "partition-id": 0,
            "num-partitions": 1,
            "state-dir": "/var/lib/nectar",
            "data": "folder:/data/cats",
            "model": "resnet4",
        }
    )
    assert (node.state_dir, node.data, node.model) == (
        "/var/lib/nectar",
        "folder:/data/cats",
        "resnet4",
    )


def test_keys_of_others_are_left_to_them() -> None:
    assert read_node({"partition-id": 0, "num-partitions": 1, "rack": "b7", "x": 1.5}) == read_node(
        {"partition-id": 0, "num-partitions": 1}
    )


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"num-partitions": 3}, "partition-id: Field required, got None"),
        ({"partition-id": 0}, "num-partitions: Field required, got None"),
        ({}, "partition-id: Field required"),
        ({"partition-id": -1, "num-partitions": 3}, "partition-id: .*or equal to 0, got -1"),
        ({"partition-id": 0, "num-partitions": 0}, "num-partitions: .*or equal to 1, got 0"),
        ({"partition-id": "0", "num-partitions": 3}, "partition-id: .*valid integer, got '0'"),
        ({"partition-id": True, "num-partitions": 3}, "partition-id: .*integer, got True"),
        ({"partition-id": 0, "num-partitions": 3.0}, "num-partitions: .*integer, got 3.0"),
        ({"partition-id": 0, "num-partitions": 1, "data": 3}, "data: .*valid string, got 3"),
        ({"partition_id": 0, "num_partitions": 3}, "partition-id: Field required"),
    ],
)
def test_a_bad_config_is_named_with_how_to_start_a_node(
    config: dict[str, Value], told: str
) -> None:
    with pytest.raises(SettingsError, match=f"^node config {told}.*; start the node with .*") as e:
        read_node(config)
    assert "--node-config 'partition-id=0 num-partitions=3'" in str(e.value)


@pytest.mark.parametrize("partition", [3, 4, 100])
def test_partitions_are_counted_from_zero(partition: int) -> None:
    with pytest.raises(SettingsError, match=f"expected 0 to 2, got {partition}; .* from 0"):
        read_node({"partition-id": partition, "num-partitions": 3})


def test_state_lies_where_the_node_says_or_else_where_the_run_says(
    run_settings: Callable[..., RunSettings], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = run_settings(state_dir="/run/state")
    config: dict[str, Value] = {"partition-id": 0, "num-partitions": 1}
    assert state_folder(read_node(config), settings) == Path("/run/state")
    own = read_node({**config, "state-dir": "/node/state"})
    assert state_folder(own, settings) == Path("/node/state")
    monkeypatch.setenv("HOME", str(tmp_path))
    home = read_node({**config, "state-dir": "~/nectar"})
    assert state_folder(home, settings) == tmp_path / "nectar"
    monkeypatch.chdir(tmp_path)
    assert state_folder(read_node(config), run_settings(state_dir="here")) == tmp_path / "here"


@pytest.mark.parametrize(
    "text",
    ['partition-id=1 state-dir="/srv/my state"', " state-dir='/srv/my state'  partition-id=1"],
)
def test_words_are_told_apart_as_flower_tells_them(text: str) -> None:
    assert read_words(text) == parse_config_args([text])
    assert read_words(text) == {"partition-id": 1, "state-dir": "/srv/my state"}


@pytest.mark.parametrize("text", ['state-dir="/srv/my state', "state-dir=/srv/my state", "rack"])
def test_a_word_that_flower_would_drop_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="--node-config: expected KEY=VALUE, got"):
        read_words(text)
