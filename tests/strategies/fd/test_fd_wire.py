"""FD's payloads: what fits arrives unchanged, the rest is refused."""

import pytest
import torch

from strategies.common.errors import WireError
from strategies.common.inputs import Images
from strategies.common.task import Task
from strategies.common.wire import MAX_HEADER_BYTES, decode, encode
from strategies.fd.wire import SoftLabels, Teacher
from tests.strategies.halves import agreed

TASK = Task(num_classes=10, inputs=Images(1, 2, 2), feature_dim=0)
AGREED = agreed("fd", TASK)
ALL = torch.arange(10)


@pytest.mark.parametrize("kind", [SoftLabels, Teacher])
def test_soft_labels_arrive_as_they_were_sent(kind: type[SoftLabels | Teacher]) -> None:
    rows = torch.rand(3, 10, generator=torch.Generator().manual_seed(1)).softmax(1)
    blob = encode(kind(rows, torch.tensor([7, 0, 3])), "float32")
    got = decode(kind, blob, AGREED, sender="client 1")
    assert torch.equal(got.rows, rows)
    assert got.labels.tolist() == [7, 0, 3]


def test_ten_labels_cost_the_papers_400_bytes_and_their_names() -> None:
    """Check 7."""
    # 10 x 10 numbers of 4 bytes, and 8 bytes per label; whatever the model.
    blob = encode(SoftLabels(torch.full((10, 10), 0.1), ALL), "float32")
    assert 480 < len(blob) <= 480 + MAX_HEADER_BYTES


@pytest.mark.parametrize(
    ("rows", "labels", "field"),
    [
        (torch.full((2, 9), 0.1), torch.tensor([0, 1]), "rows"),
        (torch.full((10, 10), 0.1)[0], torch.tensor([0]), "rows"),
        (torch.full((2, 10), 0.1), torch.tensor([0, 10]), "labels"),
        (torch.full((2, 10), 0.1), torch.tensor([4, 4]), "labels"),
        (torch.full((2, 10), 0.1), torch.tensor([4]), "labels"),
    ],
)
def test_bad_shapes_and_labels_are_refused(
    rows: torch.Tensor, labels: torch.Tensor, field: str
) -> None:
    blob = encode(SoftLabels(rows, labels), "float32")
    with pytest.raises(WireError, match=rf"client 1: fd\.soft-labels\.{field}"):
        decode(SoftLabels, blob, AGREED, sender="client 1")
