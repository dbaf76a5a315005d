"""FedProto's payloads: what fits arrives unchanged, the rest is refused."""

import pytest
import torch

from strategies.common.errors import WireError
from strategies.common.inputs import Images
from strategies.common.task import Task
from strategies.common.wire import MAX_HEADER_BYTES, decode, encode
from strategies.fedproto.wire import GlobalPrototypes, Prototypes
from tests.strategies.halves import agreed, run_of

TASK = Task(num_classes=3, inputs=Images(1, 2, 2), feature_dim=4)
AGREED = agreed("fedproto", TASK)
ROWS = torch.arange(8.0).reshape(2, 4)
LABELS = torch.tensor([2, 0])
COUNTS = torch.tensor([9, 1])


def test_prototypes_arrive_as_they_were_sent() -> None:
    sent = Prototypes(ROWS, LABELS, COUNTS)
    blob = encode(sent, "float32")
    got = decode(Prototypes, blob, AGREED, sender="client 1")
    assert torch.equal(got.rows, ROWS)
    assert torch.equal(got.labels, LABELS)
    assert got.counts is not None
    assert got.counts.tolist() == [9, 1]


def test_bytes_are_those_of_the_docstring_beside_the_header() -> None:
    # 4pd + 16p with p = 2 and d = 4 is 64; 4pd + 8p is 48.
    up = encode(Prototypes(ROWS, LABELS, COUNTS), "float32")
    down = encode(GlobalPrototypes(ROWS, LABELS), "float32")
    assert 64 < len(up) <= 64 + MAX_HEADER_BYTES
    assert 48 < len(down) <= 48 + MAX_HEADER_BYTES
    wide = GlobalPrototypes(torch.zeros(2, 12), LABELS)
    assert len(encode(wide, "float32")) - len(down) == pytest.approx(2 * 8 * 4, abs=8)


def test_a_set_without_classes_is_allowed() -> None:
    nothing = torch.zeros(0, dtype=torch.int64)
    half = agreed("fedproto", TASK, run_of("fedproto", wire_dtype="float16"))
    blob = encode(GlobalPrototypes(torch.zeros(0, 4), nothing), "float16")
    got = decode(GlobalPrototypes, blob, half, sender="server")
    assert got.rows.shape == (0, 4)


@pytest.mark.parametrize(
    ("rows", "labels", "counts", "field"),
    [
        (torch.zeros(2, 5), LABELS, COUNTS, "rows"),
        (torch.zeros(4, 4), torch.tensor([0, 1, 2, 2]), torch.ones(4).long(), "rows"),
        (ROWS, torch.tensor([0, 3]), COUNTS, "labels"),
        (ROWS, torch.tensor([1, 1]), COUNTS, "labels"),
        (ROWS, LABELS, torch.tensor([1, 2, 3]), "counts"),
    ],
)
def test_bad_shapes_and_labels_are_refused(
    rows: torch.Tensor, labels: torch.Tensor, counts: torch.Tensor, field: str
) -> None:
    blob = encode(Prototypes(rows, labels, counts), "float32")
    with pytest.raises(WireError, match=rf"client 1: fedproto\.prototypes\.{field}"):
        decode(Prototypes, blob, AGREED, sender="client 1")


def test_counts_travel_where_they_weigh_and_are_refused_elsewhere() -> None:
    alike = agreed("fedproto", TASK, aggregation="uniform")
    counted = encode(Prototypes(ROWS, LABELS, COUNTS), "float32")
    bare = encode(Prototypes(ROWS, LABELS, None), "float32")
    assert decode(Prototypes, bare, alike, sender="client 1").counts is None
    with pytest.raises(WireError, match=r"client 1: fedproto\.prototypes: unknown field counts"):
        decode(Prototypes, counted, alike, sender="client 1")
    with pytest.raises(WireError, match=r"client 1: fedproto\.prototypes: missing field counts"):
        decode(Prototypes, bare, AGREED, sender="client 1")
