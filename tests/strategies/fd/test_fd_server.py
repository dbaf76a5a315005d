"""The server half of FD: one teacher per device, from the last round alone."""

import math
from itertools import permutations
from pathlib import Path

import pytest
import torch
from torch import Tensor

from strategies.common import tensor_file
from strategies.common.errors import WireError
from strategies.common.inputs import Images
from strategies.common.magnitudes import too_large
from strategies.common.round import Reply
from strategies.common.task import Task
from strategies.common.transport.state import load_tensors, to_tensors
from strategies.common.wire import decode, encode
from strategies.fd.server import FDServer
from strategies.fd.wire import SoftLabels, Teacher
from tests.strategies.halves import agreed, replies, run_of, server

TASK = Task(num_classes=3, inputs=Images(1, 2, 2), feature_dim=0)


def soft(rows: list[list[float]], *labels: int) -> SoftLabels:
    return SoftLabels(torch.tensor(rows), torch.tensor(labels))


# Label 0 is held by 2 and 5, label 1 by 5 alone, label 2 by nobody.
UPLINKS = {
    2: soft([[0.8, 0.1, 0.1]], 0),
    5: soft([[0.2, 0.6, 0.2], [0.4, 0.4, 0.2]], 1, 0),
}


@pytest.fixture
def half() -> FDServer:
    built: FDServer = server("fd", TASK)
    return built


def test_each_device_learns_from_the_others(half: FDServer) -> None:
    state = half.start()
    assert half.personal(state, 2) is None
    said = half.aggregate(state, 1, replies(UPLINKS))

    def sent(partition: int) -> dict[int, Tensor]:
        teacher = half.personal(state, partition)
        assert teacher is not None
        return dict(zip(teacher.labels.tolist(), teacher.rows, strict=True))

    first = sent(2)
    assert list(first) == [0, 1]
    torch.testing.assert_close(first[0], torch.tensor([0.4, 0.4, 0.2]))
    torch.testing.assert_close(first[1], torch.tensor([0.2, 0.6, 0.2]))
    # 5 is the single holder of label 1.
    second = sent(5)
    assert list(second) == [0]
    torch.testing.assert_close(second[0], torch.tensor([0.8, 0.1, 0.1]))
    # 9 sat the round out: ((0.8, 0.1, 0.1) + (0.4, 0.4, 0.2)) / 2 for label 0.
    idle = sent(9)
    assert list(idle) == [0, 1]
    torch.testing.assert_close(idle[0], torch.tensor([0.6, 0.25, 0.15]))
    torch.testing.assert_close(idle[1], torch.tensor([0.2, 0.6, 0.2]))

    def entropy(*row: float) -> float:
        return -sum(p * math.log(p) for p in row)

    mean = (entropy(0.6, 0.25, 0.15) + entropy(0.2, 0.6, 0.2)) / 2
    assert said.diagnostics["held_labels"] == 2
    assert said.diagnostics["shared_labels"] == 1
    assert said.diagnostics["entropy"] == pytest.approx(mean, rel=1e-5)
    assert said.notes == ()


def test_only_the_last_round_counts(half: FDServer) -> None:
    state = half.start()
    half.aggregate(state, 1, replies(UPLINKS))
    said = half.aggregate(state, 2, replies({2: UPLINKS[2]}))
    # 2 is now the only one who spoke: it has no teacher, and 5 has 2's row.
    assert half.personal(state, 2) is None
    teacher = half.personal(state, 5)
    assert teacher is not None
    assert teacher.labels.tolist() == [0]
    torch.testing.assert_close(teacher.rows, UPLINKS[2].rows)
    assert len(said.notes) == 1
    said = half.aggregate(state, 3, replies({}))
    assert half.personal(state, 5) is None
    assert said.diagnostics == {"held_labels": 0, "shared_labels": 0}


def test_the_order_of_replies_does_not_matter(half: FDServer) -> None:
    noise = torch.Generator().manual_seed(3)
    uplinks = {
        p: SoftLabels(torch.randn(3, 3, generator=noise).softmax(1), torch.arange(3))
        for p in range(4)
    }
    teachers = []
    for order in permutations(uplinks):
        state = half.start()
        half.aggregate(state, 1, replies({p: uplinks[p] for p in order}))
        sent = half.personal(state, 1)
        assert sent is not None
        teachers.append(sent.rows)
    for other in teachers[1:]:
        torch.testing.assert_close(other, teachers[0], rtol=0, atol=1e-7)


@pytest.mark.parametrize("rounds", [0, 1])
def test_the_state_survives_a_checkpoint(half: FDServer, tmp_path: Path, rounds: int) -> None:
    state = half.start()
    if rounds:
        half.aggregate(state, 1, replies(UPLINKS))
    path = tmp_path / "state.safetensors"
    tensor_file.write(path, to_tensors(state), {})
    resumed = half.start()
    load_tensors(resumed, tensor_file.read(path)[0])
    for partition in (2, 5, 9):
        before, after = half.personal(state, partition), half.personal(resumed, partition)
        assert (before is None) == (after is None) == (rounds == 0)
        if before is not None and after is not None:
            assert torch.equal(before.rows, after.rows)
            assert torch.equal(before.labels, after.labels)
    half.aggregate(resumed, 2, replies(UPLINKS))
    assert half.personal(resumed, 2) is not None


@pytest.mark.parametrize(
    ("uplink", "reason"),
    [
        (soft([[0.5, 0.5, 0.0], [0.9, 0.3, 0.0]], 0, 2), r"sum to 1, got 1\.2 for class 2"),
        (soft([[0.5, 0.3, 0.1]], 1), r"sum to 1, got 0\.9 for class 1"),
        (soft([[1.5, -0.5, 0.0]], 1), r"in \[0, 1\], got -0\.5 to 1\.5"),
        # Raw logits.
        (soft([[4.0, -2.0, 1.0]], 1), r"in \[0, 1\], got -2 to 4"),
    ],
)
def test_what_is_no_distribution_is_refused(uplink: SoftLabels, reason: str) -> None:
    blob = encode(uplink, "float32")
    with pytest.raises(WireError, match=rf"client 3: fd\.soft-labels\.rows: .*{reason}"):
        decode(SoftLabels, blob, agreed("fd", TASK), sender="client 3")


@pytest.mark.parametrize("classes", [2, 10, 1000])
@pytest.mark.parametrize("wire_dtype", ["float32", "float16"])
@pytest.mark.parametrize("kind", [SoftLabels, Teacher])
def test_honest_rows_pass_over_any_wire(
    classes: int, wire_dtype: str, kind: type[SoftLabels | Teacher]
) -> None:
    known = agreed("fd", Task(classes, Images(1, 2, 2), 0), run_of("fd", wire_dtype=wire_dtype))
    noise = torch.Generator().manual_seed(classes)
    rows = (2 * torch.randn(classes, classes, generator=noise)).softmax(1)
    nothing = kind(torch.zeros(0, classes), torch.zeros(0, dtype=torch.int64))
    for sent in (kind(rows, torch.arange(classes)), nothing):
        got = decode(kind, encode(sent, wire_dtype), known, sender="client 0")
        assert torch.equal(got.labels, sent.labels)


def test_a_sure_client_among_unsure_ones_is_not_too_large() -> None:
    """Of 400 classes a sure row's root mean square is 20 times that of an even one."""
    half: FDServer = server("fd", Task(400, Images(1, 2, 2), feature_dim=0))
    unsure = SoftLabels(torch.full((1, 400), 1 / 400), torch.tensor([0]))
    sure = SoftLabels(torch.eye(400)[:1], torch.tensor([0]))
    sizes = {
        n: half.magnitudes(half.start(), Reply(n, 1, sent))
        for n, sent in enumerate([unsure] * 3 + [sure])
    }
    assert too_large(sizes, dict.fromkeys(sizes, 10)) == {}
