"""What FedAvg sends is as long as the client's own model says, and no longer."""

from dataclasses import replace

import pytest
import torch

from models import catalogue
from strategies.common.architecture import Architecture
from strategies.common.errors import WireError
from strategies.common.inputs import Images
from strategies.common.task import Task
from strategies.common.wire import decode, encode
from strategies.fedavg.wire import Model
from tests.strategies import halves

TASK = Task(10, Images(1, 8, 8), 32)


def test_a_model_travels_as_its_own_numbers_and_nothing_else() -> None:
    model = catalogue.build("resnet4", TASK, 32, seed=0)
    own = Architecture.of(model)
    counted = sum(p.numel() for p in model.parameters())
    assert (own.parameters, own.statistics) == (counted, Model.of(model).statistics.numel())
    agreed = replace(halves.agreed("fedavg", TASK), architecture=own)
    blob = encode(Model.of(model), "float32")
    # Header: 8 bytes of its length, schema and version, two fields.
    assert (
        4 * (own.parameters + own.statistics) < len(blob) < 4 * counted + 4 * own.statistics + 400
    )
    read = decode(Model, blob, agreed, sender="client 0")
    torch.testing.assert_close(read, Model.of(model), rtol=0, atol=0)


@pytest.mark.parametrize("name", ["cnn", "resnet4", "resnet6"])
def test_a_model_of_another_architecture_is_refused(name: str) -> None:
    own = Architecture.of(catalogue.build("resnet8", TASK, 32, seed=0))
    agreed = replace(halves.agreed("fedavg", TASK), architecture=own)
    blob = encode(Model.of(catalogue.build(name, TASK, 32, seed=0)), "float32")
    with pytest.raises(WireError, match=r"fedavg\.model"):
        decode(Model, blob, agreed, sender="client 0")


def test_architectures_are_told_apart_by_names_and_shapes_alone() -> None:
    one, same, wider, other = (
        Architecture.of(catalogue.build(name, TASK, width, seed))
        for name, width, seed in (
            ("cnn", 32, 0),
            ("cnn", 32, 1),
            ("cnn", 64, 0),
            ("resnet4", 32, 0),
        )
    )
    assert one == same
    assert len({one.key, wider.key, other.key}) == 3
