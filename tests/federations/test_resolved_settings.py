"""What the server resolves travels with its orders, and both sides hold each other to it."""

from pathlib import Path

import pytest
import torch
from federations.tiny_federations import tiny
from flwr.app import Message
from flwr.supercore.task_identity import TaskIdentity
from loopback import Federation

from strategies.common.errors import SettingsError
from strategies.common.transport.control import Order
from strategies.common.transport.envelope import pack, read_control_record, to_record_dict
from strategies.fedktl.wire import ImageVectorPairs

pytestmark = pytest.mark.federation

RESOLVED = {"fedktl.transfer-weight": 50.0, "fedktl.latent-dim": 64}


def order(**resolved: bool | float | str) -> Order:
    return Order(run="run-1", round_number=1, continue_from=0, resolved=resolved)


def ask(run: Federation, told: Order, payload: ImageVectorPairs | None = None) -> Message:
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 1, 1
    content = to_record_dict(told, pack(payload, "float32"))
    (reply,) = run.grid.pull_messages(run.grid.push_messages([Message(content, 100, "train")]))
    return reply


def refused(reply: Message) -> str:
    assert reply.has_error()
    return str(reply.error.reason)


def pairs(latent: int) -> ImageVectorPairs:
    images = torch.full((2, 1, 8, 8), 128, dtype=torch.uint8)
    return ImageVectorPairs(images, torch.ones(2, latent), torch.tensor([0, 1]))


@pytest.mark.parametrize(
    "key",
    ["fd.distillation-weight", "fedktl.magic", "learning-rate", "split.width", "fedktl", "rounds"],
)
def test_an_order_cannot_set_what_is_not_the_methods(tmp_path: Path, key: str) -> None:
    reason = refused(ask(tiny(tmp_path, "fedktl"), order(**{key: 1.0})))
    assert f"order: expected a resolved setting of fedktl, got {key}" in reason
    assert not (tmp_path / "state" / "run-1").exists()


def test_an_order_cannot_set_what_the_method_does_not_allow(tmp_path: Path) -> None:
    reason = refused(ask(tiny(tmp_path, "fedktl"), order(**{"fedktl.transfer-weight": -1.0})))
    assert "setting fedktl.transfer-weight" in reason


def test_devices_are_told_the_width_of_latents_and_refuse_pairs_of_another(tmp_path: Path) -> None:
    run = tiny(tmp_path, "fedktl")
    assert not ask(run, order(**RESOLVED), pairs(64)).has_error()
    for latent in (63, 65):
        reason = refused(ask(run, order(**RESOLVED), pairs(latent)))
        assert "server: fedktl.pairs.vectors: expected (pairs=2, latent=64)" in reason
        assert f"got (2, {latent})" in reason


def test_a_device_that_was_told_no_width_accepts_no_pairs(tmp_path: Path) -> None:
    reason = refused(
        ask(tiny(tmp_path, "fedktl"), order(**{"fedktl.transfer-weight": 50.0}), pairs(64))
    )
    assert "latent=0" in reason


def test_every_order_says_what_auto_came_to(tmp_path: Path) -> None:
    run = tiny(tmp_path, "fedktl", rounds=2)
    run.play()
    orders = [
        read_control_record(message.content, Order, sender="server").resolved
        for message in run.grid.sent
        if message.metadata.message_type == "train"
    ]
    assert len(orders) == 6
    for resolved in orders:
        assert resolved["fedktl.latent-dim"] == run.config["oriented.latent-dim"]
        assert resolved["fedktl.transfer-weight"] == 50.0
        assert "auto" not in resolved.values()


def test_a_server_refuses_another_width_than_its_generators(tmp_path: Path) -> None:
    run = tiny(tmp_path, "fedktl", fedktl__latent_dim=65)
    with pytest.raises(SettingsError, match=r"fedktl\.latent-dim: expected 0 or 64, .*got 65$"):
        run.play()
    assert run.grid.sent == []
