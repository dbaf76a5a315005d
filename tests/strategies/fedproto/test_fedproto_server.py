"""The server half of FedProto: whose means count, for how much, and what is kept."""

from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import pytest
import torch

from strategies.common import tensor_file
from strategies.common.errors import ModelError, WireError
from strategies.common.settings import RunSettings
from strategies.common.task import Task
from strategies.common.transport.state import load_tensors, to_tensors
from strategies.fedproto.server import FedProtoServer
from strategies.fedproto.settings import FedProtoSettings
from strategies.fedproto.wire import Prototypes

TASK = Task(num_classes=4, channels=1, height=2, width=2, feature_dim=2)

# Class 3 is nobody's.
UPLINKS = {
    0: Prototypes(
        torch.tensor([[1.0, 0.0], [2.0, 2.0]]), torch.tensor([0, 1]), torch.tensor([30, 5])
    ),
    4: Prototypes(torch.tensor([[5.0, 4.0]]), torch.tensor([0]), torch.tensor([10])),
    7: Prototypes(torch.tensor([[0.0, 8.0]]), torch.tensor([2]), torch.tensor([1])),
}

Build = Callable[..., FedProtoServer]


@pytest.fixture
def build(run_settings: Callable[..., RunSettings]) -> Build:
    def make(aggregation: str = "counts") -> FedProtoServer:
        chosen = FedProtoSettings.model_validate(
            {"proto-weight": 10.0, "aggregation": aggregation, "inference": "prototype"}
        )
        return FedProtoServer(chosen, run_settings())

    return make


def test_nothing_goes_down_before_the_first_round(build: Build) -> None:
    half = build()
    assert half.downlink(half.start(TASK), 0) is None


@pytest.mark.parametrize(
    ("aggregation", "first"),
    [
        # (30 * (1, 0) + 10 * (5, 4)) / 40 = (2, 1): eq. 6 with weights that sum to 1.
        ("counts", [2.0, 1.0]),
        # ((1, 0) + (5, 4)) / 2 = (3, 2)
        ("uniform", [3.0, 2.0]),
    ],
)
def test_holders_are_averaged_class_by_class(
    build: Build, aggregation: str, first: list[float]
) -> None:
    half = build(aggregation)
    state = half.start(TASK)
    said = half.aggregate(state, 1, UPLINKS)
    sent = half.downlink(state, 0)
    assert sent is not None
    assert sent.labels.tolist() == [0, 1, 2]
    assert sent.prototypes.tolist() == [first, [2.0, 2.0], [0.0, 8.0]]
    assert said.diagnostics["classes"] == 3


def test_the_closest_prototypes_are_reported(build: Build) -> None:
    half = build()
    said = half.aggregate(half.start(TASK), 1, UPLINKS)
    # (2, 1), (2, 2) and (0, 8): the first two are 1 apart.
    assert said.diagnostics["closest_prototypes"] == pytest.approx(1.0)
    alone = half.aggregate(half.start(TASK), 1, {7: UPLINKS[7]})
    assert alone.diagnostics == {"classes": 1.0}


def test_the_order_of_replies_does_not_matter(build: Build) -> None:
    half = build()
    results = []
    for order in permutations(UPLINKS):
        state = half.start(TASK)
        half.aggregate(state, 1, {partition: UPLINKS[partition] for partition in order})
        results.append(state.prototypes)
    for other in results[1:]:
        torch.testing.assert_close(other, results[0], rtol=0, atol=1e-7)


def test_a_client_that_falls_silent_leaves_nothing_stale(build: Build) -> None:
    half = build()
    state = half.start(TASK)
    half.aggregate(state, 1, UPLINKS)
    half.aggregate(state, 2, {4: UPLINKS[4]})
    sent = half.downlink(state, 7)
    assert sent is not None
    assert sent.labels.tolist() == [0]
    assert sent.prototypes.tolist() == [[5.0, 4.0]]
    half.aggregate(state, 3, {})
    assert half.downlink(state, 7) is None


def test_one_object_serves_all_clients_until_the_next_round(build: Build) -> None:
    half = build()
    state = half.start(TASK)
    half.aggregate(state, 1, UPLINKS)
    first = half.downlink(state, 0)
    assert half.downlink(state, 4) is first
    half.aggregate(state, 2, {4: UPLINKS[4]})
    assert half.downlink(state, 0) is not first


def test_the_state_survives_a_checkpoint(build: Build, tmp_path: Path) -> None:
    half = build()
    state = half.start(TASK)
    half.aggregate(state, 1, UPLINKS)
    path = tmp_path / "state.safetensors"
    tensor_file.write(path, to_tensors(state), {})
    resumed, resumed_half = half.start(TASK), build()
    load_tensors(resumed, tensor_file.read(path)[0])
    before, after = half.downlink(state, 0), resumed_half.downlink(resumed, 0)
    assert before is not None
    assert after is not None
    assert torch.equal(before.prototypes, after.prototypes)
    assert torch.equal(before.labels, after.labels)
    half.aggregate(state, 2, UPLINKS)
    resumed_half.aggregate(resumed, 2, UPLINKS)
    assert torch.equal(state.prototypes, resumed.prototypes)


def test_a_state_before_the_first_round_survives_too(build: Build, tmp_path: Path) -> None:
    half = build()
    path = tmp_path / "state.safetensors"
    tensor_file.write(path, to_tensors(half.start(TASK)), {})
    resumed = half.start(TASK)
    load_tensors(resumed, tensor_file.read(path)[0])
    assert half.downlink(resumed, 0) is None


def test_unlike_feature_widths_are_refused(build: Build) -> None:
    with pytest.raises(ModelError, match="set feature-dim"):
        build().start(Task(num_classes=4, channels=1, height=2, width=2, feature_dim=0))


@pytest.mark.parametrize("count", [0, -5])
def test_means_of_no_sample_are_refused(build: Build, count: int) -> None:
    bad = Prototypes(torch.ones(2, 2), torch.tensor([0, 1]), torch.tensor([3, count]))
    with pytest.raises(WireError, match=rf"client 6: fedproto\.prototypes\.counts.*got {count}"):
        build().check(6, bad)


def test_good_and_empty_uploads_pass(build: Build) -> None:
    half = build()
    for partition, uplink in UPLINKS.items():
        half.check(partition, uplink)
    nothing = torch.zeros(0, dtype=torch.int64)
    half.check(1, Prototypes(torch.zeros(0, 2), nothing, nothing))
