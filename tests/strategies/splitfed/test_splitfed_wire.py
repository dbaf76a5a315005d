"""SplitFed's payloads and frames."""

import pytest
import torch

from strategies.common.agreed import Agreed, Need
from strategies.common.errors import SettingsError, WireError
from strategies.common.inputs import Images
from strategies.common.payload import Payload
from strategies.common.split.client_models import num_parameters
from strategies.common.task import Task
from strategies.common.wire import decode, encode
from strategies.splitfed.wire import SplitFedAverage, SplitFedModels, frame_spec
from tests.strategies.halves import run_of
from tests.strategies.splitfed.small_run import chosen, tiny_split


def agreed(num_classes: int = 3) -> Agreed:
    run = run_of("splitfed", clients_per_node=2)
    return Agreed(Task(num_classes, Images(1, 8, 8), 8), run, chosen(), {Need.SPLIT: tiny_split()})


PARAMETERS = num_parameters(agreed())


@pytest.mark.parametrize(
    "payload",
    [
        SplitFedModels(
            torch.arange(2.0 * PARAMETERS).reshape(2, PARAMETERS),
            torch.tensor([4, 7]),
            torch.tensor([10, 20]),
        ),
        SplitFedAverage(torch.arange(float(PARAMETERS))),
    ],
)
def test_payloads_come_back_as_they_were(payload: Payload) -> None:
    blob = encode(payload, "float32")
    back = decode(type(payload), blob, agreed(), sender="node 1")
    for name, value in vars(payload).items():
        assert torch.equal(getattr(back, name), value)


def test_rows_must_have_their_client_and_their_samples() -> None:
    uneven = SplitFedModels(torch.zeros(2, PARAMETERS), torch.tensor([4]), torch.tensor([10, 20]))
    with pytest.raises(WireError, match=r"clients: expected \(clients=2\), got \(1,\)"):
        decode(SplitFedModels, encode(uneven, "float32"), agreed(), sender="node 1")


def test_a_node_sends_no_more_models_than_it_carries_clients() -> None:
    three = SplitFedModels(torch.zeros(3, PARAMETERS), torch.arange(3), torch.tensor([1, 1, 1]))
    with pytest.raises(
        WireError, match=r"models: expected \(clients<=2, parameters=348\), got \(3"
    ):
        decode(SplitFedModels, encode(three, "float32"), agreed(), sender="node 1")


def test_frames_hold_activations_and_the_classes_of_the_task() -> None:
    spec = frame_spec(agreed(), (0, 1), 10)
    assert (spec.clients, spec.batch, spec.returns_gradient) == ((0, 1), 10, True)
    activations, labels = spec.tensors
    assert (activations.kind, activations.shape) == ("activations", (4, 8, 8))
    assert (labels.kind, labels.shape, labels.bound) == ("labels", (), 3)
    assert spec.digest() == frame_spec(agreed(), (0, 1), 10).digest()
    assert spec.digest() != frame_spec(agreed(4), (0, 1), 10).digest()


def test_one_client_after_another_has_no_common_mean() -> None:
    assert chosen(version="v1", gradient_scale="pool").copies is False
    assert chosen(version="v1", gradient_scale="client").copies is True
    assert chosen(version="v2", gradient_scale="client").copies is False
    with pytest.raises(SettingsError, match=r"splitfed\.gradient-scale: Input should be 'client'"):
        chosen(version="v2", gradient_scale="pool")
