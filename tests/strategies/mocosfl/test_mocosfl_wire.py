"""MocoSFL's payloads: there and back, sizes, refusals."""

from collections.abc import Callable

import pytest
import torch

from strategies.common.agreed import Agreed, Need
from strategies.common.errors import WireError
from strategies.common.inputs import Images
from strategies.common.settings import RunSettings
from strategies.common.split.client_models import num_parameters
from strategies.common.split.settings import SplitSettings
from strategies.common.task import Task
from strategies.common.wire import decode, encode
from strategies.mocosfl.settings import MocoSFLSettings
from strategies.mocosfl.wire import MocoSFLAverage, MocoSFLModels

TASK = Task(num_classes=3, inputs=Images(1, 8, 8), feature_dim=0)
Build = Callable[..., Agreed]


@pytest.fixture
def agreed(
    mocosfl_settings: Callable[..., MocoSFLSettings],
    small_split: Callable[..., SplitSettings],
    run_settings: Callable[..., RunSettings],
) -> Build:
    """Build what both sides know of a run with 20 clients on a node."""

    def build(*, momentum: bool, width: int = 4) -> Agreed:
        run = run_settings(clients_per_node=20)
        own = mocosfl_settings(average_momentum=momentum)
        return Agreed(TASK, run, own, {Need.SPLIT: small_split(width=width)})

    return build


def models(clients: list[int], parameters: int, *, momentum: bool) -> MocoSFLModels:
    rows = torch.arange(len(clients) * parameters, dtype=torch.float32)
    shape = (len(clients), parameters)
    followers = torch.ones(shape) if momentum else None
    return MocoSFLModels(rows.view(shape), torch.tensor(clients, dtype=torch.int64), followers)


@pytest.mark.parametrize(("clients", "momentum"), [([], False), ([4, 9], False), ([0, 700], True)])
def test_client_models_there_and_back(agreed: Build, clients: list[int], momentum: bool) -> None:
    run = agreed(momentum=momentum)
    sent = models(clients, num_parameters(run), momentum=momentum)

    got = decode(MocoSFLModels, encode(sent, "float32"), run, sender="client 0")

    assert torch.equal(got.models, sent.models)
    assert (got.momentum is None) == (not momentum)
    if got.momentum is not None and sent.momentum is not None:
        assert torch.equal(got.momentum, sent.momentum)
    assert got.clients.tolist() == clients


@pytest.mark.parametrize("momentum", [False, True])
def test_the_average_there_and_back(agreed: Build, momentum: bool) -> None:
    run = agreed(momentum=momentum)
    numbers = torch.arange(float(num_parameters(run)))
    sent = MocoSFLAverage(numbers, numbers + 1 if momentum else None)

    got = decode(MocoSFLAverage, encode(sent, "float32"), run, sender="server")

    assert torch.equal(got.model, sent.model)
    assert (got.momentum is None) == (not momentum)
    if got.momentum is not None:
        assert torch.equal(got.momentum, numbers + 1)


@pytest.mark.parametrize("momentum", [False, True])
def test_momentum_models_travel_where_they_are_averaged_and_only_there(
    agreed: Build, momentum: bool
) -> None:
    run = agreed(momentum=momentum)
    size = num_parameters(run)
    up = models([0], size, momentum=not momentum)
    down = MocoSFLAverage(torch.zeros(size), None if momentum else torch.zeros(size))
    with pytest.raises(WireError, match=r"momentum"):
        decode(MocoSFLModels, encode(up, "float32"), run, sender="client 0")
    with pytest.raises(WireError, match=r"momentum"):
        decode(MocoSFLAverage, encode(down, "float32"), run, sender="server")


def test_models_of_another_size_are_refused(agreed: Build) -> None:
    run = agreed(momentum=True)
    size = num_parameters(run)
    short = MocoSFLModels(torch.zeros(1, size), torch.tensor([0]), torch.zeros(1, size - 1))
    with pytest.raises(WireError, match=r"momentum"):
        decode(MocoSFLModels, encode(short, "float32"), run, sender="client 0")
    short = models([0], size - 1, momentum=True)
    with pytest.raises(WireError, match=r"models"):
        decode(MocoSFLModels, encode(short, "float32"), run, sender="client 0")
    long = MocoSFLAverage(torch.zeros(size + 1), torch.zeros(size + 1))
    with pytest.raises(WireError, match=r"model"):
        decode(MocoSFLAverage, encode(long, "float32"), run, sender="server")


def test_models_of_no_finite_number_are_refused(agreed: Build) -> None:
    run = agreed(momentum=False)
    size = num_parameters(run)
    broken = MocoSFLModels(torch.full((1, size), torch.nan), torch.tensor([0]), None)
    with pytest.raises(WireError, match=r"models: expected finite"):
        decode(MocoSFLModels, encode(broken, "float32"), run, sender="client 0")


def test_bytes_are_four_for_a_parameter() -> None:
    # The client model of the paper's cheapest cut has 1856 parameters.
    sent = MocoSFLAverage(torch.zeros(1856), None)
    assert len(encode(sent, "float32")) <= 4 * 1856 + 400
    many = models(list(range(20)), 1856, momentum=True)
    assert len(encode(many, "float32")) <= 8 * 20 * 1857 + 500
