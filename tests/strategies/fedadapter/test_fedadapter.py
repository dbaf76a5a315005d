from collections.abc import Callable

import pytest
import torch

from strategies.common.adapters.settings import AdapterSettings
from strategies.common.errors import SettingsError
from strategies.common.round import Reply
from strategies.common.run_config import read_table
from strategies.common.settings import RunSettings
from strategies.fedadapter.client import FedAdapterClient
from strategies.fedadapter.server import FedAdapterServer
from strategies.fedadapter.settings import FedAdapterSettings
from tests.strategies.asking_device import AskingDevice, provided

Config = dict[str, bool | int | float | str]
Build = Callable[..., RunSettings]


class Federation:
    """One client and the server, round by round."""

    def __init__(self, config: Config, run: RunSettings, **changes: float) -> None:
        config = {**config, "adapters.learning-rate": 0.01}
        config |= {f"fedadapter.{name.replace('_', '-')}": v for name, v in changes.items()}
        settings = read_table(config, "fedadapter", FedAdapterSettings)
        adapters = read_table(config, "adapters", AdapterSettings)
        self.run = run
        self.client = FedAdapterClient(settings, provided(run, settings, adapters))
        task = self.device(1).task
        self.server = FedAdapterServer(settings, provided(run, settings, adapters, task))
        self.state = self.server.start()
        self.own = self.client.start(self.device(1))

    def device(self, round_number: int) -> AskingDevice:
        return AskingDevice(self.run, round_number=round_number)

    def play(self, round_number: int) -> tuple[bool, bool]:
        """Return whether something came down, and whether something went up."""
        downlink = self.server.broadcast(self.state)
        uplink = self.client.train(self.device(round_number), self.own, downlink).uplink
        assert (uplink is not None) == (self.server.phase(round_number).up is not None)
        replies = [] if uplink is None else [Reply(0, 12, uplink)]
        self.server.aggregate(self.state, round_number, replies)
        return downlink is not None, uplink is not None


@pytest.mark.parametrize(
    ("shared_rounds", "down", "up"),
    [
        (-1, [True] * 4, [True] * 4),
        (2, [True, True, True, False], [True, True, False, False]),
        (0, [True, False, False, False], [False] * 4),
    ],
)
def test_what_travels_in_which_round(
    config: Config, run_settings: Build, shared_rounds: int, down: list[bool], up: list[bool]
) -> None:
    federation = Federation(config, run_settings(rounds=4), shared_rounds=shared_rounds)
    travelled = [federation.play(number) for number in range(1, 5)]
    assert [there for there, _ in travelled] == down
    assert [there for _, there in travelled] == up


def test_alone_a_client_goes_on_from_its_own(config: Config, run_settings: Build) -> None:
    federation = Federation(config, run_settings(rounds=3), shared_rounds=1)
    federation.play(1)
    federation.play(2)
    before = federation.own.adapter.vector()
    federation.state.shared = torch.zeros_like(federation.state.shared)
    federation.play(3)
    moved = (federation.own.adapter.vector() - before).norm()
    assert 0 < moved < before.norm()


def test_twice_the_compute_is_twice_the_batches(config: Config, run_settings: Build) -> None:
    """One step at the first rate moves every weight by it: more steps move farther."""
    distances = []
    for compute in (1.0, 7 / 3):
        federation = Federation(config, run_settings(rounds=1), compute=compute)
        before = federation.own.adapter.vector()
        federation.play(1)
        distances.append(float((federation.own.adapter.vector() - before).norm()))
    assert distances[1] > 1.2 * distances[0]


def test_the_averaged_adapter_and_the_own_are_both_tested(
    config: Config, run_settings: Build
) -> None:
    federation = Federation(config, run_settings(rounds=2), shared_rounds=1)
    federation.play(1)
    downlink = federation.server.broadcast(federation.state)
    found = federation.client.evaluate(federation.device(1), federation.own, downlink)
    assert set(found.scores) == {"own", "shared"}
    federation.play(2)
    found = federation.client.evaluate(federation.device(2), federation.own, None)
    assert set(found.scores) == {"own"}


def test_a_client_learns(config: Config, run_settings: Build) -> None:
    federation = Federation(config, run_settings(rounds=4, local_epochs=20, batch_size=4))
    for number in range(1, 5):
        federation.play(number)
    downlink = federation.server.broadcast(federation.state)
    assert federation.client.evaluate(federation.device(4), federation.own, downlink).correct == 6


def test_no_compute_is_refused(config: Config) -> None:
    config["fedadapter.compute"] = 0.0
    with pytest.raises(SettingsError, match=r"setting fedadapter\.compute"):
        read_table(config, "fedadapter", FedAdapterSettings)
