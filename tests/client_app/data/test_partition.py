import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from client_app.data import partition
from strategies.common import seeds
from strategies.common.errors import DataError
from strategies.common.settings import RunSettings

Build = Callable[..., RunSettings]
SMALL: dict[str, Any] = {"min_train_samples": 2, "min_test_samples": 1}


def _labels(count: int, classes: int = 10) -> Tensor:
    return torch.arange(count) % classes


def _rows(labels: Tensor, chosen: RunSettings, clients: int) -> list[list[int]]:
    return [partition.deal(labels, chosen, k, clients).rows.tolist() for k in range(clients)]


@given(
    kind=st.sampled_from(["iid", "dirichlet", "pathological", "shards"]),
    clients=st.integers(1, 6),
    per_class=st.integers(20, 30),
    seed=st.integers(0, 2**40),
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_shares_are_disjoint_and_leave_out_only_what_they_say(
    run_settings: Build, kind: str, clients: int, per_class: int, seed: int
) -> None:
    labels = _labels(per_class * 4, 4)
    chosen = run_settings(partition=kind, dirichlet_alpha=5.0, seed=seed, **SMALL)
    shares = _rows(labels, chosen, clients)
    dealt = [row for share in shares for row in share]
    assert len(set(dealt)) == len(dealt)
    notes = partition.deal(labels, chosen, 0, clients).notes
    unused = len(labels) - len(dealt)
    expected = f"partition {kind}: {unused} of {len(labels)} samples went to no client"
    assert notes == ((expected,) if unused else ())
    if kind in ("iid", "dirichlet") or (kind == "pathological" and clients >= 4):
        assert unused == 0
    if kind == "shards":
        assert unused < clients * chosen.shards_per_client
    assert all(share == sorted(share) for share in shares)


def test_the_next_client_is_not_dealt_to_again(
    run_settings: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels, chosen, place = _labels(400), run_settings(partition="shards"), tmp_path / "dealt"
    expected = _rows(labels, chosen, 3)
    partition.deal(labels, chosen, 0, 3, place)
    monkeypatch.setattr(partition, "_shares", None)
    found = [partition.deal(labels, chosen, client, 3, place) for client in range(3)]
    assert [share.rows.tolist() for share in found] == expected
    assert found[0].notes == ("partition shards: 4 of 400 samples went to no client",)


@pytest.mark.parametrize("change", ["damaged", "other data", "other clients"])
def test_what_does_not_fit_is_dealt_again(run_settings: Build, tmp_path: Path, change: str) -> None:
    labels, chosen, place = _labels(400), run_settings(), tmp_path / "dealt"
    first = _labels(500) if change == "other data" else labels
    partition.deal(first, chosen, 0, 3 if change == "other clients" else 4, place)
    if change == "damaged":
        place.write_bytes(place.read_bytes()[:-8])
    share = partition.deal(labels, chosen, 1, 4, place)
    assert share.rows.tolist() == _rows(labels, chosen, 4)[1]


def test_iid_shuffles_a_sorted_source(run_settings: Build) -> None:
    # Cutting the sorted rows as they stand would give client 0 the classes 0 to 4 only.
    labels = _labels(400).sort().values
    rows = partition.deal(labels, run_settings(partition="iid"), 0, 2).rows
    assert len(rows) == 200
    assert len(labels[rows].unique()) == 10


def test_iid_shares_are_those_of_flwr_datasets(run_settings: Build) -> None:
    from datasets import Dataset
    from flwr_datasets.partitioner import IidPartitioner

    # 103 samples over 4 clients: 26, 26, 26 and 25.
    labels = _labels(103)
    order = torch.randperm(103, generator=seeds.generator(run_settings().seed, "partition"))
    partitioner = IidPartitioner(4)
    partitioner.dataset = Dataset.from_dict({"row": order.tolist()})
    expected = [sorted(partitioner.load_partition(client)["row"]) for client in range(4)]
    assert _rows(labels, run_settings(partition="iid"), 4) == expected


def test_pathological_clients_hold_the_classes_asked_for(run_settings: Build) -> None:
    labels = _labels(1000)
    chosen = run_settings(partition="pathological", classes_per_client=3)
    for client, rows in enumerate(_rows(labels, chosen, 10)):
        held = set(labels[rows].tolist())
        assert len(held) == 3
        assert client in held


def test_a_shard_holds_neighbours_in_label_order(run_settings: Build) -> None:
    # 1000 samples of 10 classes over 10 clients with 2 shards each: 20 shards of 50, two of
    # them within each class, so that no client has more than 2 classes, with 50 or 100 each.
    labels = _labels(1000)
    chosen = run_settings(partition="shards", shards_per_client=2)
    for rows in _rows(labels, chosen, 10):
        counts = labels[rows].bincount(minlength=10)
        assert sorted(counts[counts > 0].tolist()) in ([50, 50], [100])


def test_a_smaller_alpha_is_less_alike(run_settings: Build) -> None:
    labels = _labels(2000)

    def largest_share(alpha: float) -> float:
        shares = _rows(labels, run_settings(dirichlet_alpha=alpha, **SMALL), 4)
        held = torch.stack([labels[rows].bincount(minlength=10) for rows in shares])
        return float((held.max(dim=0).values / held.sum(dim=0)).mean())

    assert largest_share(0.1) > largest_share(1.0) > largest_share(1000.0)
    # Nearly uniform: each client has a quarter of each class.
    assert largest_share(1000.0) == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("kind", ["iid", "dirichlet", "pathological", "shards"])
def test_the_seed_alone_decides(run_settings: Build, kind: str) -> None:
    labels = _labels(600)
    first = _rows(labels, run_settings(partition=kind, seed=1), 4)
    with seeds.seeded(99):
        assert _rows(labels, run_settings(partition=kind, seed=1), 4) == first
    assert _rows(labels, run_settings(partition=kind, seed=2), 4) != first


def test_dirichlet_gives_every_client_the_minimum(run_settings: Build) -> None:
    chosen = run_settings(dirichlet_alpha=0.3, min_train_samples=10, min_test_samples=4)
    assert min(len(rows) for rows in _rows(_labels(600), chosen, 8)) >= 14


def test_an_impossible_dirichlet_names_its_smallest_client(run_settings: Build) -> None:
    chosen = run_settings(dirichlet_alpha=0.01)
    with pytest.raises(DataError) as caught:
        partition.deal(_labels(400), chosen, 0, 20)
    text = str(caught.value)
    assert "partition dirichlet: client " in text
    assert " of 20: expected at least 10 samples to train on and 4 to test on, got " in text
    assert "fewer clients or a larger dirichlet-alpha, or lower min-train-samples" in text


@pytest.mark.parametrize("kind", ["iid", "dirichlet", "pathological", "shards"])
def test_more_clients_than_the_data_allow(run_settings: Build, kind: str) -> None:
    with pytest.raises(
        DataError, match=r"11 clients with at least 14 samples each need 154 .* 150"
    ):
        partition.deal(_labels(150), run_settings(partition=kind), 0, 11)


def test_more_shards_than_samples(run_settings: Build) -> None:
    chosen = run_settings(partition="shards", shards_per_client=60)
    with pytest.raises(DataError, match="2 clients with at least 60 shards each need 120"):
        partition.deal(_labels(100), chosen, 0, 2)


def test_more_classes_per_client_than_classes(run_settings: Build) -> None:
    chosen = run_settings(partition="pathological", classes_per_client=11)
    with pytest.raises(DataError, match=r"classes-per-client: expected at most 10.*got 11"):
        partition.deal(_labels(500), chosen, 0, 4)


def test_a_class_too_rare_for_its_clients(run_settings: Build) -> None:
    # Clients 0, 2, 4 and 6 must all hold class 0, of which there are 3 samples.
    labels = torch.tensor([0] * 3 + [1] * 497)
    chosen = run_settings(partition="pathological", classes_per_client=1, **SMALL)
    with pytest.raises(
        DataError, match=r"8 clients cannot be dealt to: Label: 0 .*\(4\).*\(3\); use"
    ):
        partition.deal(labels, chosen, 0, 8)


def test_a_pathological_client_with_too_few_is_named(run_settings: Build) -> None:
    # The 8 samples of class 0 are too few for client 0 alone: 6 to train on, 2 to test on.
    labels = torch.tensor([0] * 8 + [1] * 492)
    chosen = run_settings(partition="pathological", classes_per_client=1)
    with pytest.raises(DataError, match=r"client 0 of 2: expected .* 10 .* 4 .*, got 6 and 2;"):
        partition.deal(labels, chosen, 1, 2)


@pytest.mark.parametrize("client", [-1, 4])
def test_a_client_out_of_range(run_settings: Build, client: int) -> None:
    with pytest.raises(DataError, match=f"from 0 to 3, got {client}"):
        partition.deal(_labels(100), run_settings(), client, 4)


def test_a_missing_library_is_named(run_settings: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "flwr_datasets", None)
    with pytest.raises(DataError, match="expected flwr-datasets to be installed"):
        partition.deal(_labels(100), run_settings(), 0, 2)
