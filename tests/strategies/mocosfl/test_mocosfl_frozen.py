"""A run that starts from an expert: frozen clients, a server that goes on learning."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from strategies import methods
from strategies.common.errors import SettingsError, StoreError
from strategies.common.run_config import default_config, read_run
from strategies.common.settings import RunSettings
from strategies.common.split.settings import SplitSettings
from strategies.mocosfl.settings import MocoSFLSettings
from strategies.mocosfl.taressfl.expert import Expert
from tests.strategies.mocosfl import small_expert
from tests.strategies.mocosfl.small_pool import SmallPool, replies_of, tiny_clients

TINY = {
    "steps_per_round": 2,
    "memory_size": 40,
    "projection_hidden": 8,
    "projection_dim": 6,
    "batch": 2,
}
Build = Callable[..., SmallPool]


@pytest.fixture
def pool(
    mocosfl_settings: Callable[..., MocoSFLSettings],
    small_split: Callable[..., SplitSettings],
    run_settings: Callable[..., RunSettings],
) -> Build:
    """Build a federation of three clients on one node."""

    def build(fronts: str = "batched", cut: int = 1, **overrides: Any) -> SmallPool:
        run = run_settings(rounds=2, clients_per_node=3, server_device="cpu", evaluate_every=0)
        settings = mocosfl_settings(**{**TINY, **overrides})
        return SmallPool(
            settings, run, small_split(fronts=fronts, cohorts=2, cut=cut), tiny_clients(3, run)
        )

    return build


def write_expert(path: Path, small: SmallPool, mse: float, *, informed: bool = True) -> Expert:
    """Store a federation's first state, with other numbers, as an expert."""
    return small_expert.write_expert(
        path, small.split, small.task, small.state, mse=mse, informed=informed
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "front.safetensors"


def test_the_server_starts_from_the_expert_and_its_momentum_copy(pool: Build, path: Path) -> None:
    expert = write_expert(path, pool(), mse=0.04)

    state = pool(expert=str(path)).state

    assert torch.equal(state.front, expert.front)
    for own, stored in ((state.online, expert.online), (state.momentum, expert.momentum)):
        assert all(torch.equal(tensor, stored[name]) for name, tensor in own.state_dict().items())


def test_frozen_clients_send_features_and_nothing_else(pool: Build, path: Path) -> None:
    expert = write_expert(path, pool(), mse=0.04)
    small = pool(expert=str(path))
    before = small.weights()

    uplinks = small.exchange(1)
    small.server.aggregate(small.state, small.current, replies_of(uplinks))

    assert uplinks == {0: None}
    assert small.half.phase(1).up is small.server.phase(1).up is None
    assert torch.equal(small.state.front, expert.front)
    assert torch.equal(small.server.broadcast(small.state).model, expert.front)
    assert small.private[0].momentum is None
    assert not torch.equal(small.weights(), before)
    # Two views of three clients' batches of two, in two steps.
    assert int(small.state.memory.written) == 24


def test_one_model_for_all_gives_what_each_its_own_gives(pool: Build, path: Path) -> None:
    write_expert(path, pool(), mse=0.04)
    batched, sequential = (pool(fronts, expert=str(path)) for fronts in ("batched", "sequential"))

    for small in (batched, sequential):
        small.play(1)

    torch.testing.assert_close(batched.weights(), sequential.weights(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("mse", "informed", "told"),
    [
        (0.04, True, []),
        (0.01, True, ["not resistant"]),
        # Called resistant by attackers of an earlier version, which knew less.
        (0.04, False, ["attack of an earlier version and does not count", "python -m taressfl"]),
        (0.01, False, ["not resistant"]),
    ],
)
def test_an_expert_that_is_not_proved_resistant_is_told_once(
    pool: Build, path: Path, mse: float, informed: bool, told: list[str]
) -> None:
    write_expert(path, pool(), mse, informed=informed)
    small = pool(expert=str(path))

    first, second = small.play(1), small.play(2)

    assert len(first.notes) == min(1, len(told))
    assert all(part in note for note in first.notes for part in told)
    assert len(first.pictures) == 2
    assert (second.notes, second.pictures) == ((), ())


def test_an_expert_of_another_network_is_refused(pool: Build, path: Path) -> None:
    write_expert(path, pool(), mse=0.04)
    with pytest.raises(SettingsError, match=r"cut: expected 1, got 2"):
        pool(cut=2, expert=str(path))


def test_a_missing_expert_is_refused(pool: Build, path: Path) -> None:
    with pytest.raises(StoreError, match=r"front\.safetensors"):
        pool(expert=str(path))


def test_a_missing_expert_is_refused_before_any_client_is_waited_for(path: Path) -> None:
    config = {**default_config(), "method": "mocosfl", "mocosfl.expert": str(path)}
    with pytest.raises(StoreError, match=r"front\.safetensors"):
        methods.server_half("mocosfl", config, read_run(config), torch.device("cpu"), {})
