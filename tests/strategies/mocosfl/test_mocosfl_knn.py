"""Nearest neighbours: votes worked out by hand and against a plain loop."""

import math

import pytest
import torch
from torch import Tensor

from strategies.mocosfl import classifiers
from strategies.mocosfl.classifiers import nearest_neighbours
from strategies.mocosfl.features import Features
from tests.strategies.mocosfl.feature_blobs import feature_blobs


def at_angles(degrees: list[float], labels: list[int]) -> Features:
    angles = torch.tensor(degrees).deg2rad()
    # Lengths differ on purpose: only directions count.
    lengths = torch.arange(1.0, len(degrees) + 1)[:, None]
    directions = torch.stack([angles.cos(), angles.sin()], dim=1)
    return Features(lengths * directions, torch.tensor(labels), torch.zeros(len(labels)).long())


def test_the_nearest_two_outvote_one_that_is_nearer() -> None:
    bank = at_angles([0, 60, 60, 180], [0, 1, 1, 0])
    query = at_angles([20], [1])
    # cos 20 = 0.9397, twice cos 40 = 0.7660; at temperature 1 two votes win, 2 * 2.151
    # against 2.559, and at 0.1 one does, 12047 against 2 * 2123.
    warm = nearest_neighbours(bank, query, num_classes=2, neighbours=3, temperature=1.0)
    assert warm.accuracy == 1
    assert warm.evaluations[0].loss == pytest.approx(2.5592 / (2.5592 + 2 * 2.1512), abs=1e-4)
    cold = nearest_neighbours(bank, query, num_classes=2, neighbours=3, temperature=0.1)
    assert cold.accuracy == 0
    assert nearest_neighbours(bank, query, num_classes=2, neighbours=1).accuracy == 0


def test_it_agrees_with_a_plain_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    bank, queries = feature_blobs(9, noise=1.5), feature_blobs(5, noise=1.5, seed=1)
    whole = nearest_neighbours(bank, queries, num_classes=3, neighbours=5)
    # A chunk of two queries at a time gives the same.
    monkeypatch.setattr(classifiers, "_CHUNK", 2 * len(bank))
    parts = nearest_neighbours(bank, queries, num_classes=3, neighbours=5)
    for client, evaluation in whole.evaluations.items():
        assert parts.evaluations[client].correct == evaluation.correct
        assert parts.evaluations[client].loss == pytest.approx(evaluation.loss, abs=1e-6)
    correct = {0: 0, 1: 0}
    for feature, label, client in zip(
        queries.features, queries.labels.tolist(), queries.clients.tolist(), strict=True
    ):
        correct[client] += plain_vote(bank, feature) == label
    assert {client: e.correct for client, e in whole.evaluations.items()} == correct
    # The toy is hard enough for the comparison to mean something.
    assert 0.4 < whole.accuracy < 1


def plain_vote(bank: Features, query: Tensor, neighbours: int = 5) -> int:
    cosines = [
        (torch.dot(query, row) / (query.norm() * row.norm())).item() for row in bank.features
    ]
    nearest = sorted(range(len(cosines)), key=lambda index: -cosines[index])[:neighbours]
    votes = [0.0, 0.0, 0.0]
    for index in nearest:
        votes[int(bank.labels[index])] += math.exp(cosines[index] / 0.1)
    return votes.index(max(votes))


def test_a_small_bank_votes_as_a_whole() -> None:
    bank = at_angles([0, 90, 90], [0, 1, 1])
    hits = nearest_neighbours(bank, at_angles([89], [1]), num_classes=5, neighbours=200)
    assert hits.accuracy == 1


def test_a_temperature_near_zero_does_not_overflow() -> None:
    bank = at_angles([0, 90], [0, 1])
    hits = nearest_neighbours(bank, at_angles([10], [0]), num_classes=2, temperature=1e-4)
    assert hits.evaluations[0].loss == pytest.approx(0.0, abs=1e-6)
