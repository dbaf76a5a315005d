"""MocoSFL's payloads: there and back, sizes, refusals."""

import pytest
import torch

from strategies.common.errors import WireError
from strategies.common.task import Task
from strategies.common.wire import decode, encode
from strategies.mocosfl.wire import AveragedFront, Fronts

TASK = Task(num_classes=3, channels=1, height=8, width=8, feature_dim=0)


def fronts(clients: list[int], followers: int, parameters: int = 5) -> Fronts:
    models = torch.arange(len(clients) * parameters, dtype=torch.float32)
    return Fronts(
        models.view(len(clients), parameters),
        torch.ones(followers, parameters),
        torch.tensor(clients, dtype=torch.int64),
    )


@pytest.mark.parametrize(("clients", "followers"), [([], 0), ([4, 9], 0), ([0, 700], 2)])
def test_client_models_there_and_back(clients: list[int], followers: int) -> None:
    sent = fronts(clients, followers)

    got = decode(Fronts, encode(sent, "float32"), TASK, wire_dtype="float32", sender="client 0")

    assert torch.equal(got.fronts, sent.fronts)
    assert torch.equal(got.momentum, sent.momentum)
    assert got.clients.tolist() == clients


@pytest.mark.parametrize("rows", [0, 1])
def test_the_average_there_and_back(rows: int) -> None:
    sent = AveragedFront(torch.arange(5.0), torch.ones(rows, 5))

    blob = encode(sent, "float32")
    got = decode(AveragedFront, blob, TASK, wire_dtype="float32", sender="server")

    assert torch.equal(got.front, sent.front)
    assert torch.equal(got.momentum, sent.momentum)


def test_momentum_models_of_another_size_are_refused() -> None:
    odd = Fronts(torch.zeros(1, 5), torch.zeros(1, 6), torch.tensor([0]))
    blob = encode(odd, "float32")
    with pytest.raises(WireError, match=r"fronts\.momentum"):
        decode(Fronts, blob, TASK, wire_dtype="float32", sender="client 0")


def test_two_momentum_models_for_all_are_refused() -> None:
    odd = AveragedFront(torch.zeros(5), torch.zeros(2, 5))
    blob = encode(odd, "float32")
    with pytest.raises(WireError, match=r"averaged<=1"):
        decode(AveragedFront, blob, TASK, wire_dtype="float32", sender="server")


def test_bytes_are_four_for_a_parameter() -> None:
    # The client model of the paper's cheapest cut has 1856 parameters.
    sent = AveragedFront(torch.zeros(1856), torch.zeros(0, 1856))
    assert len(encode(sent, "float32")) <= 4 * 1856 + 400
    assert len(encode(fronts(list(range(20)), 20, 1856), "float32")) <= 8 * 20 * 1857 + 500
