from collections.abc import Callable
from typing import final

import pytest
import torch
from torch import Tensor

from strategies.common.adapters.foundation import adapter_shape
from strategies.common.adapters.settings import AdapterSettings
from strategies.common.adapters.shared_adapter import AveragingServerHalf
from strategies.common.adapters.wire import SharedAdapter, TrainedAdapter
from strategies.common.errors import ModelError, WireError
from strategies.common.inputs import Images
from strategies.common.round import Reply
from strategies.common.run_config import read_table
from strategies.common.settings import RunSettings, Settings
from strategies.common.task import Foundation, Place, Task
from strategies.common.wire import decode, encode
from tests.strategies.asking_device import provided

Config = dict[str, bool | int | float | str]
PLACES = tuple(Place(f"layer.{n}", 768, 768) for n in range(12))
TASK = Task(0, Images(3, 384, 384), 768, Foundation("ab" * 32, 48, PLACES))


@final
class Averaging(AveragingServerHalf[Settings]):
    """Nothing but what such servers have in common."""


@pytest.fixture
def server_of(config: Config, run_settings: Callable[..., RunSettings]) -> Callable[..., Averaging]:
    def build(
        weights: str = "uniform", wire_dtype: str = "float32", task: Task | None = None
    ) -> Averaging:
        changed = {**config, "adapters.aggregation-weights": weights}
        adapters = read_table(changed, "adapters", AdapterSettings)
        run, own = run_settings(wire_dtype=wire_dtype), Settings()
        return Averaging(own, provided(run, own, adapters, task or small()))

    return build


def small(rank: int = 1) -> Task:
    return Task(0, Images(3, 4, 4), 2, Foundation("ab" * 32, rank, (Place("layer", 2, 2),)))


def reply(
    server: Averaging, shared: Tensor, by: float, samples: int = 1, partition: int = 0
) -> Reply[TrainedAdapter]:
    adapter = TrainedAdapter.of(shared + by, adapter_shape(server.agreed.task))
    return Reply(partition, samples, adapter)


def test_clients_count_alike_or_by_their_samples(server_of: Callable[..., Averaging]) -> None:
    for weights, expected in (("uniform", 2.0), ("samples", 1.5)):
        server = server_of(weights)
        state = server.start()
        shared = state.shared
        said = server.aggregate(
            state, 1, [reply(server, shared, 1.0, 30), reply(server, shared, 3.0, 10, 3)]
        )
        assert torch.allclose(state.shared, shared + expected)
        assert said.diagnostics["adapter_moved"] == pytest.approx(expected * 7**0.5, rel=1e-4)
        assert said.diagnostics["adapter_moved_by_clients"] == pytest.approx(2 * 7**0.5, rel=1e-4)


def test_without_a_reply_the_adapter_stays(server_of: Callable[..., Averaging]) -> None:
    server = server_of()
    state = server.start()
    shared = state.shared
    server.aggregate(state, 1, [])
    assert state.shared is shared


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_an_untrained_copy_is_refused_as_it_arrives(
    server_of: Callable[..., Averaging], dtype: str
) -> None:
    server = server_of(wire_dtype=dtype)
    state = server.start()
    downlink = server.broadcast(state)
    assert downlink is not None
    sent = encode(downlink, dtype)
    received = decode(SharedAdapter, sent, server.agreed, sender="server")
    back = encode(TrainedAdapter(received.adapter, received.keys), dtype)
    arrived = decode(TrainedAdapter, back, server.agreed, sender="client 1")
    with pytest.raises(WireError, match=r"client 1: .*expected a trained adapter, got the one"):
        server.check(state, Reply(1, 5, arrived))
    server.check(state, reply(server, state.shared, 0.5, 5, 1))


def test_other_keys_are_refused(server_of: Callable[..., Averaging]) -> None:
    server = server_of()
    state = server.start()
    good = reply(server, state.shared, 1.0).uplink
    with pytest.raises(WireError, match=r"client 2: adapters\.trained\.keys: expected the digest"):
        server.check(state, Reply(2, 1, TrainedAdapter(good.adapter, good.keys.flip(0))))


@pytest.mark.parametrize(
    ("task", "said"),
    [(small(2), "parameters=7"), (Task(0, Images(3, 4, 4), 2, TASK.foundation), "parameters=7")],
)
def test_an_adapter_of_another_rank_or_width_is_refused_on_arrival(
    server_of: Callable[..., Averaging], task: Task, said: str
) -> None:
    other = server_of(task=task)
    blob = encode(reply(other, other.start().shared, 1.0).uplink, "float32")
    with pytest.raises(WireError, match=said if len(blob) < 5000 else "expected at most"):
        decode(TrainedAdapter, blob, server_of().agreed, sender="client 0")


def test_numbers_that_are_none_are_refused_on_arrival(server_of: Callable[..., Averaging]) -> None:
    server = server_of()
    shared = server.start().shared
    blob = bytearray(encode(reply(server, shared, 1.0).uplink, "float32"))
    one = (shared[:1] + 1.0).numpy().tobytes()
    place = blob.rindex(one)
    blob[place : place + 4] = torch.tensor(float("nan")).numpy().tobytes()
    with pytest.raises(WireError, match="expected finite values"):
        decode(TrainedAdapter, bytes(blob), server.agreed, sender="client 0")


@pytest.mark.parametrize(("dtype", "width"), [("float32", 4), ("float16", 2)])
def test_vilt_sends_its_adapters_and_at_most_a_kibibyte_more(
    server_of: Callable[..., Averaging], dtype: str, width: int
) -> None:
    server = server_of(wire_dtype=dtype, task=TASK)
    uplink = reply(server, server.start().shared, 0.0).uplink
    beyond = len(encode(uplink, dtype)) - width * 12 * (2 * 768 * 48 + 768 + 48)
    assert 0 < beyond <= 1024


def test_a_task_without_a_foundation_is_refused(server_of: Callable[..., Averaging]) -> None:
    with pytest.raises(ModelError, match="expected a foundation model in the task, got none"):
        server_of(task=Task(3, Images(3, 4, 4), 2)).start()


def test_keys_change_with_what_they_stand_for(server_of: Callable[..., Averaging]) -> None:
    digests = set()
    for task in (small(), small(2), TASK):
        server = server_of(task=task)
        downlink = server.broadcast(server.start())
        assert downlink is not None
        digests.add(bytes(downlink.keys.numpy().tobytes()))
    assert len(digests) == 3
