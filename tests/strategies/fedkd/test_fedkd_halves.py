"""FedKD: who has which mentee, and what is refused."""

from typing import Any

import pytest
import torch
from torch.nn.utils import parameters_to_vector

from strategies.common.errors import WireError
from strategies.common.round import Reply
from strategies.common.transport.state import load_tensors, to_tensors
from strategies.common.wire import decode, encode
from strategies.fedkd.wire import Update
from tests.strategies import halves
from tests.strategies.fake_device import FakeDevice, blobs


def device_of(partition: int = 0, round_number: int = 1, **settings: float) -> FakeDevice:
    x, y = blobs(4, [0, 1, 2], seed=partition, shape=(1, 8, 8))
    usual = {"learning_rate": 0.1, "batch_size": 6, "feature_dim": 5, "rounds": 4}
    run = halves.run_of("fedkd", **{**usual, **settings})
    return FakeDevice(x, y, x, y, 3, 5, run, round_number=round_number, partition=partition)


def both(**own: Any) -> tuple[Any, Any]:
    device = device_of()
    return (
        halves.client("fedkd", device.task, device.settings, **own),
        halves.server("fedkd", device.task, device.settings, **own),
    )


def mentee(state: Any) -> torch.Tensor:
    return parameters_to_vector(state.mentee.parameters()).detach()


def test_who_was_there_gets_the_change_and_who_was_not_the_whole() -> None:
    client, server = both()
    kept, states = server.start(), [client.start(device_of(i)) for i in range(3)]
    began = mentee(states[0])
    for i in range(3):
        torch.testing.assert_close(mentee(states[i]), began)
        assert server.personal(kept, i) is None
    present = [Reply(i, 12, client.train(device_of(i), states[i], None).uplink) for i in (0, 2)]
    # What a client learnt is its own no longer: it waits for what all learnt.
    torch.testing.assert_close(mentee(states[0]), began)
    server.aggregate(kept, 1, present)
    told = [server.personal(kept, i) for i in range(3)]
    assert [int(one.base) for one in told] == [1, 0, 1]
    assert len(told[0].numbers) < len(told[1].numbers) == len(began)
    for i in range(3):
        client.local_training(device_of(i, 2), states[i], told[i])
        torch.testing.assert_close(mentee(states[i]), kept.parameters)
        assert int(states[i].number) == int(kept.number) == 2


def test_a_change_of_a_mentee_that_a_client_has_not_got_is_refused() -> None:
    client, server = both()
    kept, state = server.start(), client.start(device_of())
    for r in (1, 2):
        reply = Reply(0, 12, client.train(device_of(0, r), state, server.personal(kept, 0)).uplink)
        server.aggregate(kept, r, [reply])
    fresh = client.start(device_of())
    with pytest.raises(WireError, match=r"expected a change of mentee 1, .* got one of mentee 2"):
        client.train(device_of(0, 3), fresh, server.personal(kept, 0))


def test_a_run_that_went_back_brings_all_the_whole_mentee() -> None:
    client, server = both()
    kept, state = server.start(), client.start(device_of())
    server.aggregate(kept, 1, [Reply(0, 12, client.train(device_of(), state, None).uplink)])
    server.gone_back(kept)
    told = server.personal(kept, 0)
    assert int(told.base) == 0
    afresh = client.start(device_of())
    client.local_training(device_of(0, 2), afresh, told)
    torch.testing.assert_close(mentee(afresh), kept.parameters)


def test_parameters_are_factorised_where_asked_for_and_go_to_all_alike() -> None:
    client, server = both(factorise="parameters")
    kept, state = server.start(), client.start(device_of())
    reply = Reply(0, 12, client.train(device_of(), state, None).uplink)
    server.aggregate(kept, 1, [reply])
    assert int(server.personal(kept, 0).base) == int(server.personal(kept, 7).base) == 0
    client.local_training(device_of(0, 2), state, server.personal(kept, 0))
    torch.testing.assert_close(mentee(state), kept.parameters)


def test_the_share_to_keep_is_interpolated() -> None:
    client, _ = both(energy_start=0.5, energy_end=0.9)
    shares = [client.settings.energy(r, 5) for r in (1, 3, 5)]
    assert shares == pytest.approx([0.5, 0.7, 0.9])
    assert client.settings.energy(1, 1) == 0.5


def test_states_of_both_halves_survive() -> None:
    client, server = both()
    kept, state = server.start(), client.start(device_of())
    server.aggregate(kept, 1, [Reply(0, 12, client.train(device_of(), state, None).uplink)])
    again, resumed = server.start(), client.start(device_of())
    load_tensors(again, to_tensors(kept))
    load_tensors(resumed, to_tensors(state))
    told, expected = server.personal(again, 0), server.personal(kept, 0)
    torch.testing.assert_close(told, expected)
    client.local_training(device_of(0, 2), resumed, told)
    torch.testing.assert_close(mentee(resumed), kept.parameters)


def test_factors_of_another_mentee_are_refused_by_name() -> None:
    _, server = both()
    bad = Update(torch.zeros(7), torch.zeros(2, dtype=torch.int64), torch.zeros(0))
    with pytest.raises(WireError, match=r"client 3: fedkd\.update\.ranks: expected \(matrices=4\)"):
        decode(Update, encode(bad, "float32"), server.agreed, sender="client 3")


def test_moments_of_a_mentee_that_is_gone_are_forgotten() -> None:
    device = device_of(momentum=0.9)
    client = halves.client("fedkd", device.task, device.settings)
    server = halves.server("fedkd", device.task, device.settings)
    kept, state = server.start(), client.start(device)
    server.aggregate(kept, 1, [Reply(0, 12, client.train(device, state, None).uplink)])
    assert any(name.startswith("mentee/") for name in state.moments)
    client.local_training(device_of(0, 2, momentum=0.9), state, server.personal(kept, 0))
    assert {name.split("/")[0] for name in state.moments} == {"model", "hidden"}
