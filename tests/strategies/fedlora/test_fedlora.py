from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from strategies.common.adapters.settings import AdapterSettings
from strategies.common.errors import SettingsError, WireError
from strategies.common.round import Reply
from strategies.common.run_config import read_table
from strategies.common.settings import RunSettings
from strategies.common.wire import decode, encode
from strategies.fedlora.client import FedLoRAClient
from strategies.fedlora.server import FedLoRAServer
from strategies.fedlora.settings import FedLoRASettings
from strategies.fedlora.wire import Factors, GlobalUpdate, TrainedFactors, shape_of
from tests.strategies.asking_device import AskingDevice, provided, questions
from tests.strategies.tiny_backbone import WIDTH, TinyBackbone

Config = dict[str, bool | int | float | str]
Build = Callable[..., RunSettings]
WAYS = ["stack", "svd", "naive"]
# Two layers each in two blocks.
PER_RANK = 4 * 2 * WIDTH


class Federation:
    """Two clients of ranks 2 and 3, and the server, round by round."""

    def __init__(self, config: Config, run: RunSettings, aggregation: str = "stack") -> None:
        config = {
            **config,
            "adapters.learning-rate": 0.02,
            "fedlora.aggregation": aggregation,
            "fedlora.ranks": "2,3",
        }
        settings = read_table(config, "fedlora", FedLoRASettings)
        adapters = read_table(config, "adapters", AdapterSettings)
        self.run = run
        self.backbone = TinyBackbone()
        self.client = FedLoRAClient(settings, provided(run, settings, adapters))
        task = self.device(0, 1).task
        self.server = FedLoRAServer(settings, provided(run, settings, adapters, task))
        self.state = self.server.start()
        self.states = [self.client.start(self.device(partition, 1)) for partition in (0, 1)]

    def device(self, partition: int, round_number: int) -> AskingDevice:
        bare = AskingDevice(self.run, partition, round_number, backbone=self.backbone)
        return replace(bare, places=self.client.foundation(self.backbone))

    def train(self, partition: int, round_number: int) -> TrainedFactors:
        downlink = self.server.broadcast(self.state)
        device = self.device(partition, round_number)
        uplink = self.client.train(device, self.states[partition], downlink).uplink
        assert uplink is not None
        return uplink

    def play(self, round_number: int) -> dict[str, float]:
        uplinks = {partition: self.train(partition, round_number) for partition in (0, 1)}
        for reply in replies(uplinks):
            self.server.check(self.state, reply)
        said = self.server.aggregate(self.state, round_number, replies(uplinks))
        return dict(said.diagnostics)

    def products(self) -> list[torch.Tensor]:
        downlink = self.server.broadcast(self.state)
        assert downlink is not None
        shape = shape_of(self.device(0, 1).task)
        return list(downlink.read("test", shape).products())


def replies(uplinks: dict[int, TrainedFactors]) -> list[Reply[TrainedFactors]]:
    return [Reply(partition, 12, uplink) for partition, uplink in uplinks.items()]


@pytest.fixture
def run(run_settings: Build) -> RunSettings:
    return run_settings(rounds=4, batch_size=4, local_epochs=2)


def test_stacked_updates_add_up_to_the_mean_of_all_products(
    config: Config, run: RunSettings
) -> None:
    federation = Federation(config, run)
    expected: list[torch.Tensor] | None = None
    shape = shape_of(federation.device(0, 1).task)
    for number in (1, 2, 3):
        uplinks = {partition: federation.train(partition, number) for partition in (0, 1)}
        own = [uplink.read("test", shape).products() for uplink in uplinks.values()]
        means = [(a + b) / 2 for a, b in zip(*own, strict=True)]
        before = expected or [torch.zeros_like(mean) for mean in means]
        expected = [a + b for a, b in zip(before, means, strict=True)]
        said = federation.server.aggregate(federation.state, number, replies(uplinks))
        assert said.diagnostics["aggregation_error"] < 1e-6
        for found, wanted in zip(federation.products(), expected, strict=True):
            assert torch.allclose(found, wanted, atol=1e-6)
    # 2 + 3 per round, and never beyond the layers' own width.
    assert federation.state.factors is not None
    assert len(federation.state.factors) == min(15, WIDTH)


def test_factors_that_are_averaged_apart_are_off_and_the_best_of_a_rank_less(
    config: Config, run: RunSettings
) -> None:
    errors = {}
    for way in ("naive", "svd"):
        federation = Federation(config, run, way)
        errors[way] = federation.play(1)["aggregation_error"]
        assert federation.state.factors is not None
        assert len(federation.state.factors) == 3
    assert errors["naive"] > 0.1
    assert errors["svd"] < errors["naive"]


@pytest.mark.parametrize("way", WAYS)
def test_the_backbone_is_left_as_it_was(config: Config, run: RunSettings, way: str) -> None:
    federation = Federation(config, run, way)
    before = {name: p.clone() for name, p in federation.backbone.module.state_dict().items()}
    federation.play(1)
    federation.play(2)
    downlink = federation.server.broadcast(federation.state)
    federation.client.evaluate(federation.device(0, 2), federation.states[0], downlink)
    after = federation.backbone.module.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert not any(p.requires_grad for p in federation.backbone.module.parameters())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.quick("stack")
def test_clients_learn(config: Config, run_settings: Build, way: str) -> None:
    federation = Federation(config, run_settings(rounds=5, batch_size=4, local_epochs=12), way)
    for number in range(1, 6):
        federation.play(number)
    for partition in (0, 1):
        downlink = federation.server.broadcast(federation.state)
        device = federation.device(partition, 5)
        found = federation.client.evaluate(device, federation.states[partition], downlink)
        assert found.correct == 6


def test_a_client_of_a_smaller_rank_sends_and_holds_less(config: Config, run: RunSettings) -> None:
    federation = Federation(config, run, "svd")
    assert [federation.train(p, 1).factors.numel() for p in (0, 1)] == [2 * PER_RANK, 3 * PER_RANK]
    federation.play(1)
    assert [federation.train(p, 2).factors.numel() for p in (0, 1)] == [2 * PER_RANK, 3 * PER_RANK]


@pytest.mark.parametrize("way", WAYS)
def test_factors_that_did_not_learn_are_refused(config: Config, run: RunSettings, way: str) -> None:
    federation = Federation(config, run, way)
    federation.play(1)
    good = federation.train(1, 2)
    shape = shape_of(federation.device(0, 1).task)
    if way == "stack":
        factors = good.read("test", shape)
        idle = replace(factors, up=tuple(torch.zeros_like(up) for up in factors.up)).rows()
    else:
        downlink = federation.server.broadcast(federation.state)
        assert downlink is not None
        idle = downlink.factors
    with pytest.raises(WireError, match=r"client 1: .*changes nothing of what was sent"):
        federation.server.check(federation.state, Reply(1, 12, replace(good, factors=idle)))
    federation.server.check(federation.state, Reply(1, 12, good))


def test_another_rank_and_other_layers_are_refused(config: Config, run: RunSettings) -> None:
    federation = Federation(config, run)
    good = federation.train(0, 1)
    with pytest.raises(WireError, match=r"client 1: .*expected rank 3 for this client, got 2"):
        federation.server.check(federation.state, Reply(1, 12, good))
    other = replace(good, keys=good.keys.flip(0))
    with pytest.raises(WireError, match=r"keys: expected the digest of 4 layers"):
        federation.server.check(federation.state, Reply(0, 12, other))


@pytest.mark.parametrize(
    ("way", "kind", "largest"),
    [
        ("stack", TrainedFactors, 3),
        ("svd", TrainedFactors, 3),
        ("naive", TrainedFactors, 3),
        ("stack", GlobalUpdate, WIDTH),
        ("svd", GlobalUpdate, 3),
        ("naive", GlobalUpdate, 3),
    ],
)
def test_nothing_but_the_width_and_a_rank_of_the_settings_is_read(
    config: Config, run: RunSettings, way: str, kind: type[Factors], largest: int
) -> None:
    federation = Federation(config, run, way)
    keys, agreed = federation.train(0, 1).keys, federation.server.agreed

    def arrived(rank: int, width: int) -> Factors:
        blob = encode(kind(torch.ones(rank, width), keys), "float32")
        return decode(kind, blob, agreed, sender="client 0")

    for rank in (1, largest):
        assert arrived(rank, PER_RANK).factors.shape == (rank, PER_RANK)
    for rank, width in ((largest + 1, PER_RANK), (1, PER_RANK - 1), (1, PER_RANK + 1)):
        with pytest.raises(WireError, match=rf"width={PER_RANK}|at most \d+ bytes"):
            arrived(rank, width)
    with pytest.raises(WireError, match=r"factors: expected a rank of 1 or more, got 0"):
        arrived(0, PER_RANK)


def test_a_client_that_missed_rounds_lacks_nothing(config: Config, run: RunSettings) -> None:
    federation = Federation(config, run)
    for number in (1, 2):
        uplink = federation.train(0, number)
        federation.server.aggregate(federation.state, number, replies({0: uplink}))
    late = federation.server.broadcast(federation.state)
    early = federation.server.broadcast(federation.state)
    assert late is not None
    assert early is not None
    assert torch.equal(late.factors, early.factors)
    assert len(late.factors) == 4


def test_ranks_are_dealt_in_turn(config: Config) -> None:
    settings = read_table({**config, "fedlora.ranks": "4,4,8"}, "fedlora", FedLoRASettings)
    assert [settings.rank_of(partition) for partition in range(5)] == [4, 4, 8, 4, 4]
    assert settings.largest == 8
    for bad in ("", "4,", "0", "4;8", "4, 8"):
        with pytest.raises(SettingsError, match=r"setting fedlora\.ranks"):
            read_table({**config, "fedlora.ranks": bad}, "fedlora", FedLoRASettings)


def test_long_questions_are_told(config: Config, run: RunSettings) -> None:
    federation = Federation(config, run)
    long = replace(questions(12, 0), questions=("is it is it is it is it ?",) * 12)
    device = replace(federation.device(0, 1), train=long)
    assert len(federation.client.train(device, federation.states[0], None).notes) == 1


def test_the_rank_of_a_sum_grows_with_every_round(config: Config, run: RunSettings) -> None:
    federation = Federation(config, run)
    ranks = [federation.play(number)["update_rank"] for number in (1, 2)]
    assert all(a < b for a, b in pairwise(ranks))
