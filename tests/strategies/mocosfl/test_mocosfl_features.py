"""Features of an evaluation: one order, whatever the order of arrival."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.common.errors import ExchangeError, WireError
from strategies.mocosfl.features import FeatureTable


def part(client: int, index: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.full((size, 2), float(100 * client + index)), torch.full((size,), client % 3)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_clients_may_come_in_any_order(data: st.DataObject) -> None:
    sizes = {0: [2, 1], 3: [1], 12: [3, 0, 2]}
    # Each client's parts keep their own order; whose comes first is drawn.
    turns = data.draw(st.permutations([c for c, own in sizes.items() for _ in own]))
    queues = {client: list(enumerate(own)) for client, own in sizes.items()}
    table = FeatureTable(3)
    for client in turns:
        index, size = queues[client].pop(0)
        table.add("bank", client, *part(client, index, size))
    found = table.features("bank")
    assert found.clients.tolist() == [0, 0, 0, 3, 12, 12, 12, 12, 12]
    assert found.features[:, 0].tolist() == [0, 0, 1, 300, 1200, 1200, 1200, 1202, 1202]
    assert found.labels.tolist() == [0] * 9
    assert len(found) == 9


def test_splits_are_kept_apart() -> None:
    table = FeatureTable(3)
    table.add("test", 1, *part(1, 0, 2))
    table.add("holdout", 1, torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64))
    assert table.holds("test")
    assert not table.holds("holdout")
    assert len(table.features("test")) == 2
    with pytest.raises(ExchangeError, match="expected samples of the split 'bank', got none"):
        table.features("bank")


def test_a_subset_keeps_rows_together() -> None:
    table = FeatureTable(3)
    for client in (1, 2):
        table.add("bank", client, *part(client, 0, 2))
    chosen = table.features("bank").subset(torch.tensor([3, 0]))
    assert chosen.clients.tolist() == [2, 1]
    assert chosen.labels.tolist() == [2, 1]
    assert chosen.features[:, 0].tolist() == [200, 100]


@pytest.mark.parametrize(
    ("features", "labels", "told"),
    [
        (torch.zeros(2, 4), torch.tensor([0, 3]), r"expected labels in \[0, 3\), got 0 to 3"),
        (torch.zeros(2, 4), torch.tensor([-1, 0]), r"expected labels in \[0, 3\), got -1 to 0"),
        (torch.zeros(2, 4), torch.zeros(2), r"expected \(samples,\) int64 labels"),
        (torch.zeros(2, 4), torch.zeros(3, dtype=torch.int64), r"3 labels, got \(2, 4\)"),
        (torch.zeros(2), torch.zeros(2, dtype=torch.int64), r"2 labels, got \(2,\)"),
    ],
)
def test_what_does_not_fit_is_refused(
    features: torch.Tensor, labels: torch.Tensor, told: str
) -> None:
    with pytest.raises(WireError, match=told) as caught:
        FeatureTable(3).add("test", 7, features, labels)
    assert "client 7: test" in str(caught.value)


def test_clients_that_are_forgotten_leave_nothing() -> None:
    table = FeatureTable(3)
    table.add("test", 1, *part(1, 0, 2))
    table.add("bank", 1, *part(1, 0, 2))
    table.add("bank", 2, *part(2, 0, 1))
    table.forget([1])
    assert not table.holds("test")
    assert table.features("bank").clients.tolist() == [2]
