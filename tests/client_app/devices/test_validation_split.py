"""Training samples that are held out: the same in every round, and never learnt from."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from client_app.devices.message_device import LocalDevice
from client_app.node import NodeConfig
from strategies.common.errors import DataError
from strategies.common.samples import Samples
from strategies.common.settings import RunSettings

Build = Callable[..., RunSettings]


@pytest.fixture
def device(run_settings: Build, tmp_path: Path) -> Callable[..., LocalDevice]:
    def build(round_number: int = 1, partition: int = 0, **changes: bool | float) -> LocalDevice:
        small = {"max_samples": 40, "models": "cnn", "partition": "iid", "device": "cpu"}
        settings = run_settings(**{**small, "state_dir": str(tmp_path), **changes})
        node = NodeConfig(partition_id=partition, num_partitions=2, state_dir=str(tmp_path))
        return LocalDevice(node, settings, round_number)

    return build


def rows(samples: Samples) -> list[bytes]:
    return [row.numpy().tobytes() for row in samples.inputs]


def held_out(device: LocalDevice) -> list[bytes]:
    return rows(device.validating().test)


def test_a_share_of_the_training_samples_is_kept_out(device: Callable[..., LocalDevice]) -> None:
    plain, parted = device(), device(validation_share=0.25)
    # A quarter of 30, rounded down.
    assert (len(parted.train), len(parted.validating().test)) == (23, 7)
    assert sorted(rows(parted.train) + held_out(parted)) == sorted(rows(plain.train))
    assert rows(parted.test) == rows(plain.test)
    assert torch.equal(parted.validating().train.labels, parted.train.labels)


def test_the_parts_follow_from_seed_and_client_alone(device: Callable[..., LocalDevice]) -> None:
    first = held_out(device(1, validation_share=0.2))
    assert held_out(device(7, validation_share=0.2)) == first
    assert held_out(device(1, validation_share=0.2, learning_rate=0.5)) == first
    assert held_out(device(1, 1, validation_share=0.2)) != first


def test_without_a_share_all_samples_train(device: Callable[..., LocalDevice]) -> None:
    plain = device()
    assert plain.train is plain.data.train
    assert len(plain.validating().test) == 0


def test_the_smallest_share_is_one_sample(device: Callable[..., LocalDevice]) -> None:
    assert len(held_out(device(validation_share=0.001))) == 1


def test_too_few_samples_are_not_parted(device: Callable[..., LocalDevice]) -> None:
    few = {"max_samples": 3, "min_train_samples": 2, "min_test_samples": 1}
    with pytest.raises(DataError, match=r"validation-share: expected at least 3 .* got 2"):
        assert device(validation_share=0.5, **few).train
