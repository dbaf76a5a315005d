"""The one average: worked out by hand, whoever answered first, and open to other rules."""

from itertools import permutations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from strategies.common import averaging
from strategies.common.averaging import average, average_by_class
from strategies.common.class_table import RowsState


def rows(*pairs: tuple[int, list[float]]) -> RowsState:
    return RowsState(
        torch.tensor([row for _, row in pairs]), torch.tensor([label for label, _ in pairs])
    )


def test_a_weighted_mean_by_hand() -> None:
    vectors = [torch.tensor([1.0, 0.0]), torch.tensor([5.0, 4.0])]
    # (30 * 1 + 10 * 5) / 40 = 2 and (30 * 0 + 10 * 4) / 40 = 1.
    assert average(vectors, [30, 10]).tolist() == [2.0, 1.0]
    assert average(vectors).tolist() == [3.0, 2.0]
    assert average(vectors, [0.5, 0.5]).tolist() == [3.0, 2.0]
    # A scale of all weights changes nothing.
    assert average(vectors, [3e6, 1e6]).tolist() == [2.0, 1.0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_shape_and_dtype_stay(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    found = average([torch.ones(shape, dtype=dtype), torch.full(shape, 3.0, dtype=dtype)])
    assert (found.dtype, found.shape) == (dtype, shape)
    assert bool((found == 2).all())


def test_sums_are_taken_in_double_precision() -> None:
    # In float32, 2^25 + 1 is 2^25: a thousand ones beside a large number would vanish.
    vectors = [torch.tensor(2.0**25), *[torch.tensor(1.0)] * 1000, torch.tensor(-(2.0**25))]
    assert average(vectors).item() == pytest.approx(1000 / 1002)


def test_what_is_averaged_stays_as_it_is() -> None:
    vectors = [torch.tensor([1.0]), torch.tensor([3.0])]
    average(vectors, [1, 3])
    assert [vector.item() for vector in vectors] == [1.0, 3.0]


@pytest.mark.parametrize(
    ("vectors", "weights", "told"),
    [
        ([], None, "at least one vector, got none"),
        ([torch.ones(1)], [], "a positive weight for each of 1 vectors"),
        ([torch.ones(1)], [1.0, 2.0], "a positive weight for each of 1 vectors"),
        ([torch.ones(1)] * 2, [1.0, 0.0], r"got \[1.0, 0.0\]"),
        ([torch.ones(1)] * 2, [1.0, -1.0], r"got \[1.0, -1.0\]"),
        ([torch.ones(1)] * 2, [1.0, float("nan")], "a positive weight"),
    ],
)
def test_what_has_no_mean_is_refused(
    vectors: list[Tensor], weights: list[float] | None, told: str
) -> None:
    with pytest.raises(ValueError, match=f"averaging: expected .*{told}"):
        average(vectors, weights)


@settings(max_examples=50, deadline=None)
@given(
    values=st.lists(
        st.tuples(st.floats(-1e3, 1e3, width=32), st.integers(1, 1000)), min_size=1, max_size=5
    )
)
def test_the_order_does_not_matter_and_the_mean_lies_between(
    values: list[tuple[float, int]],
) -> None:
    found = [
        average([torch.tensor([x]) for x, _ in order], [weight for _, weight in order]).item()
        for order in permutations(values)
    ]
    low, high = min(x for x, _ in values), max(x for x, _ in values)
    assert all(low - 1e-3 <= value <= high + 1e-3 for value in found)
    assert max(found) - min(found) <= 1e-6 * max(1.0, abs(low), abs(high))


def test_classes_are_averaged_over_their_holders() -> None:
    sent = [rows((0, [1.0, 0.0]), (2, [2.0, 2.0])), rows((0, [5.0, 4.0])), rows((5, [0.0, 8.0]))]
    means, classes = average_by_class(sent)
    assert classes.tolist() == [0, 2, 5]
    assert means.tolist() == [[3.0, 2.0], [2.0, 2.0], [0.0, 8.0]]
    counts = [torch.tensor([30, 7]), torch.tensor([10]), torch.tensor([1])]
    weighed, _ = average_by_class(sent, counts)
    # (30 * (1, 0) + 10 * (5, 4)) / 40 = (2, 1)
    assert weighed.tolist() == [[2.0, 1.0], [2.0, 2.0], [0.0, 8.0]]


def test_no_client_and_no_class_give_no_rows() -> None:
    for sent in ([], [RowsState(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64))]):
        means, classes = average_by_class(sent)
        assert len(means) == len(classes) == 0
        assert classes.dtype == torch.int64


def test_a_holder_without_weight_is_refused() -> None:
    with pytest.raises(ValueError, match="positive weight"):
        average_by_class([rows((0, [1.0]), (1, [2.0]))], [torch.tensor([1, 0])])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), clients=st.integers(1, 4))
def test_by_class_the_order_of_clients_does_not_matter(seed: int, clients: int) -> None:
    noise = torch.Generator().manual_seed(seed)
    sent = []
    for _ in range(clients):
        held = torch.randperm(4, generator=noise)[: int(torch.randint(5, (), generator=noise))]
        sent.append(RowsState(torch.randn(len(held), 3, generator=noise), held))
    first, classes = average_by_class(sent)
    for order in permutations(sent):
        means, labels = average_by_class(list(order))
        assert torch.equal(labels, classes)
        torch.testing.assert_close(means, first, rtol=0, atol=1e-6)
    for row, label in zip(first, classes.tolist(), strict=True):
        held_rows = [own.rows[own.labels == label] for own in sent]
        torch.testing.assert_close(row, torch.cat(held_rows).mean(0))


def test_another_rule_serves_vectors_and_classes_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    def median(vectors: list[Tensor], _weights: list[float]) -> Tensor:
        return torch.stack(list(vectors)).median(0).values

    monkeypatch.setattr(averaging, "RULES", {**averaging.RULES, "median": median})
    vectors = [torch.tensor([1.0]), torch.tensor([2.0]), torch.tensor([900.0])]
    assert average(vectors, rule="median").tolist() == [2.0]
    assert average(vectors).tolist() == [301.0]
    means, _ = average_by_class([rows((3, [x.item()])) for x in vectors], rule="median")
    assert means.tolist() == [[2.0]]
    with pytest.raises(KeyError, match="krum"):
        average(vectors, rule="krum")
