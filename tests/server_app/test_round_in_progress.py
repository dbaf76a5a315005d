"""One round on its way: whoever answers first, halves see replies by partition."""

from itertools import permutations

import pytest
import torch

from server_app.client import Client
from server_app.messenger import RoundInProgress
from server_app.round_context import RoundContext
from strategies.common.architecture import NO_MODEL, Architecture
from strategies.common.inputs import Images
from strategies.common.round import Reply
from strategies.common.task import Task
from strategies.common.transport import envelope
from strategies.common.transport.control import Description
from strategies.fd.wire import Teacher
from strategies.fedproto.wire import GlobalPrototypes
from tests.strategies.halves import replies, server

TASK = Task(num_classes=3, inputs=Images(1, 8, 8), feature_dim=2)


def client(partition: int, own: Architecture = NO_MODEL) -> Client:
    told = {"architecture": own.digest, "parameters": own.parameters, "statistics": own.statistics}
    return Client(partition, Description.model_construct(partition=partition, model="m", **told))


def in_progress(state: object) -> RoundInProgress:
    return RoundInProgress(RoundContext(1, {}, state, TASK, {}), lambda _: None)


def test_replies_come_sorted_by_partition_whoever_answered_first() -> None:
    sent = replies(
        {p: Teacher(torch.eye(3), torch.arange(3)) for p in (10, 2, 0)},
    )
    for order in permutations(sent):
        ongoing = in_progress(None)
        ongoing.replies = {reply.partition: reply for reply in order}
        found: list[Reply[Teacher]] = ongoing.in_order()
        assert [reply.partition for reply in found] == [0, 2, 10]


@pytest.mark.parametrize("there_is_one", [True, False])
def test_what_goes_to_all_is_made_and_packed_once(
    monkeypatch: pytest.MonkeyPatch, there_is_one: bool
) -> None:
    half = server("fedproto", TASK)
    state = half.start()
    if there_is_one:
        state.rows, state.labels = torch.ones(1, 2), torch.tensor([1])
    packed: list[object] = []
    encode = envelope.encode
    monkeypatch.setattr(
        envelope, "encode", lambda sent, dtype: packed.append(sent) or encode(sent, dtype)
    )
    ongoing = in_progress(state)
    first = ongoing.parcel(half, client(0), "float32")
    # What the state becomes within the round does not reach those who are asked later.
    state.rows = torch.zeros(1, 2)
    assert ongoing.parcel(half, client(1), "float32") is first
    assert len(packed) == int(there_is_one)
    if first is not None:
        assert first.schema == GlobalPrototypes.schema
        assert in_progress(state).parcel(half, client(0), "float32") != first


def test_what_goes_to_clients_of_one_architecture_is_made_and_packed_once_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    half = server("fedavg", TASK)
    state = half.start()
    one, other = Architecture("a" * 64, 2, 0), Architecture("b" * 64, 3, 0)
    for own in (one, other):
        state.parameters[own.key] = torch.full((own.parameters,), float(own.parameters))
        state.statistics[own.key] = torch.zeros(0)
    packed: list[object] = []
    encode = envelope.encode
    monkeypatch.setattr(
        envelope, "encode", lambda sent, dtype: packed.append(sent) or encode(sent, dtype)
    )
    ongoing, held = in_progress(state), [one, other, one, Architecture("c" * 64, 2, 0)]
    parcels = [ongoing.parcel(half, client(p, own), "float32") for p, own in enumerate(held)]
    assert parcels[0] is parcels[2]
    assert [sent.parameters.tolist() for sent in packed] == [[2.0] * 2, [3.0] * 3]
    # Whose architecture has no mean yet receives nothing.
    assert parcels[3] is None
