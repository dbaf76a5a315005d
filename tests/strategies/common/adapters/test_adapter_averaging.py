from collections.abc import Callable

import pytest
import torch

from strategies.common.adapters.averaging import SharedMean
from strategies.common.adapters.settings import AdapterSettings
from strategies.common.adapters.wire import TrainedAdapter
from strategies.common.errors import ModelError, WireError
from strategies.common.settings import RunSettings, read_table
from strategies.common.task import Foundation, Place, Task
from strategies.common.wire import decode, encode

Config = dict[str, bool | int | float | str]
PLACES = tuple(Place(f"layer.{n}", 768, 768) for n in range(12))
TASK = Task(0, 3, 384, 384, 768, Foundation("ab" * 32, 48, PLACES))


@pytest.fixture
def mean_of(config: Config, run_settings: Callable[..., RunSettings]) -> Callable[..., SharedMean]:
    def build(weights: str = "uniform", wire_dtype: str = "float32") -> SharedMean:
        changed = {**config, "adapters.aggregation-weights": weights}
        adapters = read_table(changed, "adapters", AdapterSettings)
        return SharedMean(adapters, run_settings(wire_dtype=wire_dtype))

    return build


def small(rank: int = 1) -> Task:
    return Task(0, 3, 4, 4, 2, Foundation("ab" * 32, rank, (Place("layer", 2, 2),)))


def reply(mean: SharedMean, shared: torch.Tensor, by: float, samples: int) -> TrainedAdapter:
    return TrainedAdapter(shared + by, mean.payload(shared).keys, torch.tensor([samples]))


def test_clients_count_alike_or_by_their_samples(mean_of: Callable[..., SharedMean]) -> None:
    for weights, expected in (("uniform", 2.0), ("samples", 1.5)):
        mean = mean_of(weights)
        shared = mean.start(small())
        replies = {0: reply(mean, shared, 1.0, 30), 3: reply(mean, shared, 3.0, 10)}
        found, said = mean.of(shared, replies)
        assert torch.allclose(found, shared + expected)
        assert said.diagnostics["adapter_moved"] == pytest.approx(expected * 7**0.5, rel=1e-4)
        assert said.diagnostics["adapter_moved_by_clients"] == pytest.approx(2 * 7**0.5, rel=1e-4)


def test_without_a_reply_the_adapter_stays(mean_of: Callable[..., SharedMean]) -> None:
    mean = mean_of()
    shared = mean.start(small())
    assert mean.of(shared, {})[0] is shared


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_an_untrained_copy_is_refused_as_it_arrives(
    mean_of: Callable[..., SharedMean], dtype: str
) -> None:
    mean = mean_of(wire_dtype=dtype)
    shared = mean.start(small())
    sent = encode(mean.payload(shared), dtype)
    received = decode(type(mean.payload(shared)), sent, small(), wire_dtype=dtype, sender="server")
    back = TrainedAdapter(received.adapter, received.keys, torch.tensor([5]))
    arrived = decode(
        TrainedAdapter, encode(back, dtype), small(), wire_dtype=dtype, sender="client 1"
    )
    with pytest.raises(WireError, match=r"client 1: .*expected a trained adapter, got the one"):
        mean.check(1, arrived)
    mean.check(1, reply(mean, shared, 0.5, 5))


def test_other_keys_and_no_samples_are_refused(mean_of: Callable[..., SharedMean]) -> None:
    mean = mean_of()
    shared = mean.start(small())
    good = reply(mean, shared, 1.0, 1)
    with pytest.raises(WireError, match=r"client 2: adapters\.trained\.keys: expected the digest"):
        mean.check(2, TrainedAdapter(good.adapter, good.keys.flip(0), good.samples))
    with pytest.raises(WireError, match=r"samples: expected at least 1, got 0"):
        mean.check(2, reply(mean, shared, 1.0, 0))


@pytest.mark.parametrize(
    ("task", "said"),
    [(small(2), "parameters=7"), (Task(0, 3, 4, 4, 2, TASK.foundation), "parameters=7")],
)
def test_an_adapter_of_another_rank_or_width_is_refused_on_arrival(
    mean_of: Callable[..., SharedMean], task: Task, said: str
) -> None:
    mean = mean_of()
    other = mean.start(task)
    blob = encode(reply(mean, other, 1.0, 1), "float32")
    with pytest.raises(WireError, match=said if len(blob) < 5000 else "expected at most"):
        decode(TrainedAdapter, blob, small(), wire_dtype="float32", sender="client 0")


def test_numbers_that_are_none_are_refused_on_arrival(mean_of: Callable[..., SharedMean]) -> None:
    mean = mean_of()
    shared = mean.start(small())
    blob = bytearray(encode(reply(mean, shared, 1.0, 1), "float32"))
    one = (shared[:1] + 1.0).numpy().tobytes()
    place = blob.rindex(one)
    blob[place : place + 4] = torch.tensor(float("nan")).numpy().tobytes()
    with pytest.raises(WireError, match="expected finite values"):
        decode(TrainedAdapter, bytes(blob), small(), wire_dtype="float32", sender="client 0")


@pytest.mark.parametrize(("dtype", "width"), [("float32", 4), ("float16", 2)])
def test_vilt_sends_its_adapters_and_at_most_a_kibibyte_more(
    mean_of: Callable[..., SharedMean], dtype: str, width: int
) -> None:
    mean = mean_of(wire_dtype=dtype)
    shared = mean.start(TASK)
    uplink = TrainedAdapter(shared, mean.payload(shared).keys, torch.tensor([2500]))
    beyond = len(encode(uplink, dtype)) - width * 12 * (2 * 768 * 48 + 768 + 48)
    assert 0 < beyond <= 1024


def test_a_task_without_a_foundation_is_refused(mean_of: Callable[..., SharedMean]) -> None:
    with pytest.raises(ModelError, match="expected a foundation model in the task, got none"):
        mean_of().start(Task(3, 3, 4, 4, 2))


def test_keys_change_with_what_they_stand_for(mean_of: Callable[..., SharedMean]) -> None:
    digests = set()
    for task in (small(), small(2), TASK):
        mean = mean_of()
        digests.add(bytes(mean.payload(mean.start(task)).keys.numpy().tobytes()))
    assert len(digests) == 3
