"""The server half of FedProto: whose means count, for how much, and what is kept."""

from itertools import permutations
from pathlib import Path

import pytest
import torch

from strategies.common import tensor_file
from strategies.common.errors import ModelError, WireError
from strategies.common.inputs import Images
from strategies.common.round import Reply
from strategies.common.task import Task
from strategies.common.transport.state import load_tensors, to_tensors
from strategies.common.wire import decode, encode
from strategies.fedproto.wire import GlobalPrototypes, Prototypes
from tests.strategies.halves import agreed, replies, server

TASK = Task(num_classes=4, inputs=Images(1, 2, 2), feature_dim=2)

# Class 3 is nobody's.
UPLINKS = {
    0: Prototypes(
        torch.tensor([[1.0, 0.0], [2.0, 2.0]]), torch.tensor([0, 1]), torch.tensor([30, 5])
    ),
    4: Prototypes(torch.tensor([[5.0, 4.0]]), torch.tensor([0]), torch.tensor([10])),
    7: Prototypes(torch.tensor([[0.0, 8.0]]), torch.tensor([2]), torch.tensor([1])),
}


def test_nothing_goes_down_before_the_first_round() -> None:
    half = server("fedproto", TASK)
    assert half.broadcast(half.start()) is None


@pytest.mark.parametrize(
    ("aggregation", "first"),
    [
        # (30 * (1, 0) + 10 * (5, 4)) / 40 = (2, 1): eq. 6 with weights that sum to 1.
        ("counts", [2.0, 1.0]),
        # ((1, 0) + (5, 4)) / 2 = (3, 2)
        ("uniform", [3.0, 2.0]),
    ],
)
def test_holders_are_averaged_class_by_class(aggregation: str, first: list[float]) -> None:
    half = server("fedproto", TASK, aggregation=aggregation)
    state = half.start()
    uplinks = {partition: sent.under(half.settings) for partition, sent in UPLINKS.items()}
    said = half.aggregate(state, 1, replies(uplinks))
    sent = half.broadcast(state)
    assert sent is not None
    assert sent.labels.tolist() == [0, 1, 2]
    assert sent.rows.tolist() == [first, [2.0, 2.0], [0.0, 8.0]]
    assert said.diagnostics["classes"] == 3


@pytest.mark.parametrize("counts", [[30, 6], [2**62, 2**62], [1, 2**63 - 1]])
def test_prototypes_of_more_samples_than_a_client_has_are_refused(counts: list[int]) -> None:
    half = server("fedproto", TASK)
    sent = Prototypes(torch.zeros(2, 2), torch.tensor([0, 1]), torch.tensor(counts))
    with pytest.raises(WireError, match=r"client 3: .*counts: expected at most train_samples=35"):
        half.check(half.start(), Reply(3, 35, sent))
    half.check(half.start(), Reply(3, 35, UPLINKS[0]))


def test_the_closest_prototypes_are_reported() -> None:
    half = server("fedproto", TASK)
    said = half.aggregate(half.start(), 1, replies(UPLINKS))
    # (2, 1), (2, 2) and (0, 8): the first two are 1 apart.
    assert said.diagnostics["closest_prototypes"] == pytest.approx(1.0)
    alone = half.aggregate(half.start(), 1, replies({7: UPLINKS[7]}))
    assert alone.diagnostics == {"classes": 1.0}


def test_the_order_of_replies_does_not_matter() -> None:
    half = server("fedproto", TASK)
    results = []
    for order in permutations(UPLINKS):
        state = half.start()
        half.aggregate(state, 1, replies({partition: UPLINKS[partition] for partition in order}))
        results.append(state.rows)
    for other in results[1:]:
        torch.testing.assert_close(other, results[0], rtol=0, atol=1e-7)


def test_a_client_that_falls_silent_leaves_nothing_stale() -> None:
    half = server("fedproto", TASK)
    state = half.start()
    half.aggregate(state, 1, replies(UPLINKS))
    half.aggregate(state, 2, replies({4: UPLINKS[4]}))
    sent = half.broadcast(state)
    assert sent is not None
    assert sent.labels.tolist() == [0]
    assert sent.rows.tolist() == [[5.0, 4.0]]
    half.aggregate(state, 3, replies({}))
    assert half.broadcast(state) is None


def test_the_state_survives_a_checkpoint(tmp_path: Path) -> None:
    half = server("fedproto", TASK)
    state = half.start()
    half.aggregate(state, 1, replies(UPLINKS))
    path = tmp_path / "state.safetensors"
    tensor_file.write(path, to_tensors(state), {})
    resumed, resumed_half = half.start(), server("fedproto", TASK)
    load_tensors(resumed, tensor_file.read(path)[0])
    before, after = half.broadcast(state), resumed_half.broadcast(resumed)
    assert before is not None
    assert after is not None
    assert torch.equal(before.rows, after.rows)
    assert torch.equal(before.labels, after.labels)
    half.aggregate(state, 2, replies(UPLINKS))
    resumed_half.aggregate(resumed, 2, replies(UPLINKS))
    assert torch.equal(state.rows, resumed.rows)


def test_a_state_before_the_first_round_survives_too(tmp_path: Path) -> None:
    half = server("fedproto", TASK)
    path = tmp_path / "state.safetensors"
    tensor_file.write(path, to_tensors(half.start()), {})
    resumed = half.start()
    load_tensors(resumed, tensor_file.read(path)[0])
    assert half.broadcast(resumed) is None


@pytest.mark.parametrize("kind", [Prototypes, GlobalPrototypes])
def test_unlike_feature_widths_are_refused(kind: type[Prototypes | GlobalPrototypes]) -> None:
    unlike = Task(num_classes=4, inputs=Images(1, 2, 2), feature_dim=0)
    # The core asks for sizes before a run starts.
    with pytest.raises(ModelError, match=r"fedproto: .* set feature-dim"):
        kind.sizes(agreed("fedproto", unlike))


@pytest.mark.parametrize("count", [0, -5])
def test_means_of_no_sample_are_refused(count: int) -> None:
    bad = Prototypes(torch.ones(2, 2), torch.tensor([0, 1]), torch.tensor([3, count]))
    told = rf"client 6: fedproto\.prototypes\.counts.*at least 1, got {count}"
    with pytest.raises(WireError, match=told):
        decode(Prototypes, encode(bad, "float32"), agreed("fedproto", TASK), sender="client 6")


def test_good_and_empty_uploads_pass() -> None:
    half, known = server("fedproto", TASK), agreed("fedproto", TASK)
    nothing = torch.zeros(0, dtype=torch.int64)
    empty = Prototypes(torch.zeros(0, 2), nothing, nothing)
    for reply in replies({**UPLINKS, 1: empty}, samples=35):
        half.check(half.start(), reply)
        blob = encode(reply.uplink, "float32")
        assert len(decode(Prototypes, blob, known, sender="client").labels) == len(
            reply.uplink.labels
        )
