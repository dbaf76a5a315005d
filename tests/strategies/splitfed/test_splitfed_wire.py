"""SplitFed's payloads and frames."""

import pytest
import torch

from strategies.common.errors import SettingsError, WireError
from strategies.common.payload import Payload
from strategies.common.split.plan import Plan
from strategies.common.task import Task
from strategies.common.wire import decode, encode
from strategies.splitfed.wire import AveragedFront, TrainedFronts, frame_spec
from tests.strategies.splitfed.small_run import chosen, tiny_split

TASK = Task(3, 1, 4, 4, 8)


@pytest.mark.parametrize(
    "payload",
    [
        TrainedFronts(
            torch.arange(10.0).reshape(2, 5), torch.tensor([4, 7]), torch.tensor([10, 20])
        ),
        AveragedFront(torch.arange(5.0)),
    ],
)
def test_payloads_come_back_as_they_were(payload: Payload) -> None:
    blob = encode(payload, "float32")
    back = decode(type(payload), blob, TASK, wire_dtype="float32", sender="node 1")
    for name, value in vars(payload).items():
        assert torch.equal(getattr(back, name), value)


def test_rows_must_have_their_client_and_their_samples() -> None:
    uneven = TrainedFronts(torch.zeros(2, 5), torch.tensor([4]), torch.tensor([10, 20]))
    with pytest.raises(WireError, match=r"clients: expected \(members=2\), got \(1,\)"):
        decode(
            TrainedFronts, encode(uneven, "float32"), TASK, wire_dtype="float32", sender="node 1"
        )


def test_frames_hold_activations_and_the_classes_of_the_task() -> None:
    plan = Plan(1, 4, 10, ((0, 1), (2,)))
    spec = frame_spec(plan, (0, 1), (4, 8, 8), 3, tiny_split())
    assert (spec.clients, spec.batch, spec.returns_gradient) == ((0, 1), 10, True)
    activations, labels = spec.tensors
    assert (activations.kind, activations.shape) == ("activations", (4, 8, 8))
    assert (labels.kind, labels.shape, labels.bound) == ("labels", (), 3)
    assert spec.digest() == frame_spec(plan, (0, 1), (4, 8, 8), 3, tiny_split()).digest()
    assert spec.digest() != frame_spec(plan, (0, 1), (4, 8, 8), 4, tiny_split()).digest()


def test_one_client_after_another_has_no_common_mean() -> None:
    assert chosen(version="v1", gradient_scale="pool").copies is False
    assert chosen(version="v1", gradient_scale="client").copies is True
    assert chosen(version="v2", gradient_scale="client").copies is False
    with pytest.raises(SettingsError, match=r"splitfed\.gradient-scale: Input should be 'client'"):
        chosen(version="v2", gradient_scale="pool")
