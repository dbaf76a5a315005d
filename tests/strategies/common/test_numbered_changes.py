"""Who gets the last change of a model and who the whole; FedKD stands for all who tell so."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector

from strategies.common.errors import WireError
from strategies.common.inputs import Images
from strategies.common.numbered_changes import first_number
from strategies.common.round import Reply
from strategies.common.task import Task
from strategies.common.transport.state import load_tensors, to_tensors
from strategies.common.wire import decode, encode
from strategies.fedkd.wire import Mentee, Update
from tests.strategies import halves

TASK = Task(3, Images(1, 8, 8), 5)


def built(wire_dtype: str = "float32", **own: Any) -> Any:
    """Return a server half that knows the task."""
    run = halves.run_of("fedkd", wire_dtype=wire_dtype, rounds=9, feature_dim=5)
    return halves.server("fedkd", TASK, run, model="cnn", **own)


def play(half: Any, state: Any, round_number: int, clients: list[int]) -> None:
    """Let some clients send a change, or parameters, that chance draws."""
    model, replies = half.agreed.beside, []
    for client in clients:
        order = torch.Generator().manual_seed(100 * round_number + client)
        numbers = 0.1 * torch.randn(model.parameters, generator=order)
        statistics = torch.rand(model.statistics, generator=order)
        replies.append(Reply(client, 1, Update.of(numbers, statistics, 0.9, half.agreed)))
    half.aggregate(state, round_number, replies)


def arrived(half: Any, told: Mentee) -> Mentee:
    """Return what a client reads of it."""
    return decode(Mentee, encode(told, half.agreed.run.wire_dtype), half.agreed, sender="server")


def vector(model: nn.Module) -> Tensor:
    return parameters_to_vector(model.parameters()).detach()


@pytest.mark.parametrize("factorise", ["update", "parameters"])
@pytest.mark.parametrize("wire_dtype", ["float32", "float16"])
def test_clients_that_come_and_go_have_the_servers_model(wire_dtype: str, factorise: str) -> None:
    half = built(wire_dtype, factorise=factorise)
    state = half.start()
    models = [half.provided.build_beside() for _ in range(4)]
    numbers = [first_number() for _ in models]
    bases = []
    for round_number, clients in enumerate(([0, 1, 2], [0, 2], [1, 2, 3], [0, 1, 2, 3]), start=1):
        for client in clients:
            told = half.personal(state, client)
            if told is None:
                assert round_number == 1
                continue
            bases.append(int(told.base))
            numbers[client] = arrived(half, told).into(models[client], numbers[client], half.agreed)
            assert int(numbers[client]) == int(state.number) == round_number
            # What the server did not round itself is the whole, which client 2 never gets.
            rounded = wire_dtype == "float16" and factorise == "update" and client != 2
            torch.testing.assert_close(
                vector(models[client]), state.parameters, atol=1e-3 if rounded else 1e-6, rtol=0
            )
        play(half, state, round_number, clients)
    # Clients 0 and 2 were there; of 1 to 3 client 2 alone was; then client 0 was not.
    changes = [1, 1, 0, 2, 0, 0, 3, 3, 3]
    assert bases == (changes if factorise == "update" else [0] * 9)


def test_a_change_is_shorter_than_the_whole_and_both_name_what_comes_of_them() -> None:
    half = built()
    state = half.start()
    play(half, state, 1, [5])
    change, whole = half.personal(state, 5), half.personal(state, 6)
    assert len(change.numbers) < len(whole.numbers) == half.agreed.beside.parameters
    assert int(change.number) == int(whole.number) == 2
    assert not whole.ranks.any()


def test_a_change_of_another_model_is_refused_and_changes_nothing() -> None:
    half = built()
    state = half.start()
    play(half, state, 1, [0])
    play(half, state, 2, [0])
    model = half.provided.build_beside()
    began = vector(model).clone()
    told = r"fedkd\.mentee\.base: expected a change of mentee 1, .* got one of mentee 2; the next"
    with pytest.raises(WireError, match=told):
        half.personal(state, 0).into(model, first_number(), half.agreed)
    assert torch.equal(vector(model), began)


def test_a_run_that_went_back_brings_all_the_whole_and_then_changes_again() -> None:
    half = built()
    state = half.start()
    play(half, state, 1, [0, 1])
    half.gone_back(state)
    assert [int(half.personal(state, client).base) for client in (0, 1)] == [0, 0]
    play(half, state, 2, [1])
    assert [int(half.personal(state, client).base) for client in (0, 1)] == [0, 2]


def test_a_state_goes_on_where_it_was_left() -> None:
    half = built()
    state, again = half.start(), half.start()
    play(half, state, 1, [0, 1])
    load_tensors(again, to_tensors(state))
    for client in (0, 2):
        torch.testing.assert_close(half.personal(again, client), half.personal(state, client))


@pytest.mark.parametrize("factorise", ["update", "parameters"])
def test_an_upload_is_as_large_as_the_change_that_it_stands_for(factorise: str) -> None:
    half = built(factorise=factorise)
    state, agreed = half.start(), half.agreed
    moved = torch.full_like(state.parameters, 0.5)
    sent = moved if factorise == "update" else state.parameters + moved
    reply = Reply(0, 1, Update.of(sent, state.statistics, 1.0, agreed))
    (size,) = half.magnitudes(state, reply)["numbers"].rows
    assert size == pytest.approx(0.5, rel=1e-4)


def test_lengths_are_those_of_factors_and_one_of_each_number() -> None:
    agreed = built().agreed
    assert Mentee.sizes(agreed).exact == {**Update.sizes(agreed).exact, "one": 1}
