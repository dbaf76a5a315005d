from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from strategies.common.adapters.foundation import adapter_shape
from strategies.common.adapters.keys import keys_of
from strategies.common.adapters.settings import AdapterSettings
from strategies.common.adapters.wire import SharedAdapter
from strategies.common.errors import WireError
from strategies.common.run_config import read_table
from strategies.common.settings import RunSettings
from strategies.common.transport.state import load_tensors, to_tensors
from strategies.feddat.client import FedDATClient, FedDATState
from strategies.feddat.server import FedDATServer
from strategies.feddat.settings import FedDATSettings
from tests.strategies.asking_device import AskingDevice, provided, questions
from tests.strategies.tiny_backbone import TinyBackbone

Build = Callable[..., RunSettings]
Config = dict[str, bool | int | float | str]


@pytest.fixture
def settings(config: Config) -> tuple[FedDATSettings, AdapterSettings]:
    config["adapters.learning-rate"] = 0.01
    return (
        read_table(config, "feddat", FedDATSettings),
        read_table(config, "adapters", AdapterSettings),
    )


@pytest.fixture
def half(settings: tuple[FedDATSettings, AdapterSettings], run_settings: Build) -> FedDATClient:
    return FedDATClient(settings[0], provided(run_settings(rounds=4), *settings))


@pytest.fixture
def server(settings: tuple[FedDATSettings, AdapterSettings], run_settings: Build) -> FedDATServer:
    here = device(run_settings)
    return FedDATServer(settings[0], provided(here.settings, *settings, here.task))


def device(run_settings: Build, round_number: int = 1, partition: int = 0) -> AskingDevice:
    run = run_settings(rounds=4, batch_size=4, local_epochs=2)
    return AskingDevice(run, partition=partition, round_number=round_number)


def sent(server: FedDATServer) -> SharedAdapter:
    downlink = server.broadcast(server.start())
    assert downlink is not None
    return downlink


def test_all_clients_begin_with_the_same_adapters_and_heads_of_their_own(
    half: FedDATClient, server: FedDATServer, run_settings: Build
) -> None:
    first, second = (half.start(device(run_settings, partition=p)) for p in (0, 1))
    assert torch.equal(first.local.vector(), second.local.vector())
    assert not torch.equal(first.local.vector(), first.frozen.vector())
    assert torch.equal(first.frozen.vector(), sent(server).adapter)
    assert not torch.equal(first.head[0].weight, second.head[0].weight)


def test_the_own_adapter_moves_in_every_round_and_the_frozen_copy_is_what_was_received(
    half: FedDATClient, server: FedDATServer, run_settings: Build
) -> None:
    here = device(run_settings)
    state = half.start(here)
    downlink = sent(server)
    for round_number in (1, 2, 3):
        here = device(run_settings, round_number)
        before = state.local.vector()
        trained = half.train(here, state, downlink)
        assert (state.local.vector() - before).norm() > 1e-3
        assert torch.equal(state.frozen.vector(), downlink.adapter)
        assert not torch.equal(trained.uplink.adapter, downlink.adapter)  # type: ignore[union-attr]
        downlink = SharedAdapter(trained.uplink.adapter, downlink.keys)  # type: ignore[union-attr]


def test_nothing_of_the_own_adapter_or_head_is_in_what_is_sent(
    half: FedDATClient, server: FedDATServer, run_settings: Build
) -> None:
    here = device(run_settings)
    downlink = sent(server)
    state = half.start(here)
    with torch.no_grad():
        for parameter in (*state.local.parameters(), *state.head.parameters()):
            parameter.fill_(0.123)
    uplink = half.train(here, state, downlink).uplink
    assert uplink is not None
    assert len(uplink.adapter) == adapter_shape(here.task).num_parameters
    assert not torch.isclose(uplink.adapter, torch.tensor(0.123), atol=1e-4).any()


def test_a_round_is_repeatable_to_the_bit_and_leaves_backbone_and_global_randomness_alone(
    half: FedDATClient, server: FedDATServer, run_settings: Build
) -> None:
    results = []
    backbone = TinyBackbone()
    weights = [p.clone() for p in backbone.module.parameters()]
    for _ in range(2):
        here = replace(device(run_settings), backbone=backbone)
        state = half.start(here)
        drawn = torch.get_rng_state()
        uplink = half.train(here, state, sent(server)).uplink
        half.evaluate(here, state, sent(server))
        assert torch.equal(torch.get_rng_state(), drawn)
        results.append((uplink.adapter, to_tensors(state)))  # type: ignore[union-attr]
    assert torch.equal(results[0][0], results[1][0])
    assert all(torch.equal(results[0][1][name], tensor) for name, tensor in results[1][1].items())
    assert all(
        torch.equal(a, b) for a, b in zip(weights, backbone.module.parameters(), strict=True)
    )
    assert not any(module._forward_hooks for module in backbone.module.modules())


def test_a_saved_state_goes_on_as_if_never_stopped(
    half: FedDATClient, server: FedDATServer, run_settings: Build
) -> None:
    downlink = sent(server)
    state = half.start(device(run_settings))
    half.train(device(run_settings), state, downlink)
    kept = to_tensors(state)
    half.train(device(run_settings, 2), state, downlink)
    again = half.start(device(run_settings, 2))
    load_tensors(again, kept)
    half.train(device(run_settings, 2), again, downlink)
    assert all(torch.equal(t, to_tensors(again)[name]) for name, t in to_tensors(state).items())


def test_evaluation_names_three_models_and_counts_the_one_that_was_asked_for(
    half: FedDATClient,
    settings: tuple[FedDATSettings, AdapterSettings],
    server: FedDATServer,
    run_settings: Build,
) -> None:
    here = device(run_settings)
    state = half.start(here)
    downlink = sent(server)
    for round_number in range(1, 5):
        half.train(device(run_settings, round_number), state, downlink)
    found = half.evaluate(here, state, downlink)
    assert set(found.scores) == {"shared", "teacher", "local"}
    assert found.correct == round(found.scores["shared"] * 6)
    by_teacher = settings[0].model_copy(update={"inference": "teacher"})
    teacher = FedDATClient(by_teacher, provided(here.settings, by_teacher, settings[1]))
    assert teacher.evaluate(here, state, downlink).correct == round(found.scores["teacher"] * 6)


def test_the_teacher_learns_its_client(
    half: FedDATClient, server: FedDATServer, run_settings: Build
) -> None:
    state = half.start(device(run_settings))
    downlink = sent(server)
    run = run_settings(rounds=4, batch_size=4, local_epochs=20)
    for round_number in range(1, 5):
        half.train(replace(device(run_settings, round_number), settings=run), state, downlink)
    assert half.evaluate(device(run_settings), state, downlink).scores["teacher"] == 1.0


def test_an_adapter_with_other_keys_and_a_missing_one_are_refused(
    half: FedDATClient, server: FedDATServer, run_settings: Build
) -> None:
    here = device(run_settings)
    state = half.start(here)
    downlink = sent(server)
    with pytest.raises(
        WireError, match=r"server: adapters\.shared\.keys: expected the digest of 8"
    ):
        half.train(here, state, SharedAdapter(downlink.adapter, downlink.keys.flip(0)))
    with pytest.raises(WireError, match=r"expected a payload adapters\.shared, got none"):
        half.train(here, state, None)


def test_questions_that_are_too_long_are_counted(
    half: FedDATClient, server: FedDATServer, run_settings: Build
) -> None:
    long = replace(questions(12, 0), questions=("what colour is it is it is it ?",) * 12)
    here = replace(device(run_settings), train=long)
    trained = half.train(here, half.start(here), sent(server))
    assert trained.notes == ("12 training questions are longer than the model reads, and were cut",)


def test_clients_may_have_answer_lists_of_any_length(
    half: FedDATClient, server: FedDATServer, run_settings: Build
) -> None:
    for answers in (2, 9):
        here = replace(device(run_settings), num_answers=answers)
        state: FedDATState = half.start(here)
        uplink = half.train(here, state, sent(server)).uplink
        assert uplink is not None
        assert torch.equal(uplink.keys, keys_of(adapter_shape(here.task)))
