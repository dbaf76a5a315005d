"""What is made of a survey: neighbours each time, probes at the end, and poor surveys."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import nn

from strategies.common.samples import Samples
from strategies.common.split.halves import Assessment
from strategies.common.split.wire.frames import Split
from strategies.mocosfl.assessment import Assessor
from strategies.mocosfl.features import FeatureTable
from strategies.mocosfl.network import Encoder
from strategies.mocosfl.settings import MocoSFLSettings

CLASSES = 2
Assess = Callable[..., Assessment]
# Class 0 points along one axis and class 1 along the other; the third is noise.
POINTS = {0: [1.0, 0.0, 9.0], 1: [0.0, 1.0, -9.0]}


def table(parts: Mapping[Split, Mapping[int, list[int]]]) -> FeatureTable:
    """Build a table from the labels of each split's clients."""
    built = FeatureTable(CLASSES)
    for split, clients in parts.items():
        for client, labels in clients.items():
            # Of the noise, signs are turned in the bank: only a head that drops it finds classes.
            sign = -1 if split == "bank" else 1
            rows = torch.tensor([POINTS[label] for label in labels])
            rows[:, 2] *= sign
            built.add(split, client, rows, torch.tensor(labels))
    return built


@pytest.fixture
def assess(mocosfl_settings: Callable[..., MocoSFLSettings]) -> Assess:
    """Assess a table with a head that keeps the first two components or the third."""

    def build(
        found: FeatureTable, keep: tuple[int, ...] = (0, 1), last: bool = False, **overrides: Any
    ) -> Assessment:
        head = nn.Linear(3, 2, bias=False)
        with torch.no_grad():
            head.weight.zero_()
            for row, column in enumerate(keep):
                head.weight[row, column] = 1
        settings = mocosfl_settings(knn_neighbours=1, probe_epochs=3, **overrides)
        return Assessor(settings, CLASSES, 0).assess(
            Encoder(nn.Identity(), head), found, at_the_end=last
        )

    return build


FULL: dict[Split, dict[int, list[int]]] = {
    "bank": {0: [0] * 20, 1: [1] * 20},
    "holdout": {0: [0, 0], 1: [1]},
    "test": {0: [0, 0, 1], 1: [1]},
}


def test_neighbours_are_found_in_the_space_of_the_keys(assess: Assess) -> None:
    good, bad = assess(table(FULL)), assess(table(FULL), keep=(2,))

    for assessment, found in ((good, 1), (bad, 0)):
        told = assessment.said.diagnostics
        assert (told["knn_accuracy"], told["knn_holdout_accuracy"]) == (found, found)
    assert dict(good.test_samples) == {0: 3, 1: 1}
    assert {client: own.correct for client, own in good.evaluations.items()} == {0: 3, 1: 1}
    assert {client: own.correct for client, own in bad.evaluations.items()} == {0: 0, 1: 0}


def test_probes_read_features_before_the_head_and_few_labels_wait_for_the_end(
    assess: Assess,
) -> None:
    early = assess(table(FULL))
    assert "probe_accuracy" in early.said.diagnostics
    assert "semi_10_accuracy" not in early.said.diagnostics
    kept = assess(table(FULL), last=True)
    dropped = assess(table(FULL), keep=(2,), last=True, semi_supervised=False)

    for name in ("probe_accuracy", "probe_best_accuracy"):
        assert kept.said.diagnostics[name] == dropped.said.diagnostics[name]
    assert "semi_10_accuracy" in kept.said.diagnostics
    assert "semi_1_accuracy" in kept.said.diagnostics
    assert "semi_1_accuracy" not in dropped.said.diagnostics


def test_a_bank_too_small_for_few_labels_costs_no_run(assess: Assess) -> None:
    lonely = table({"bank": {0: [1] * 5}, "test": {0: [1]}})

    assessment = assess(lonely, last=True)

    assert "semi_10_accuracy" not in assessment.said.diagnostics
    (note,) = assessment.said.notes
    assert "at least 2 labelled samples" in note
    assert "knn_holdout_accuracy" not in assessment.said.diagnostics


def test_inputs_are_judged_by_the_same_means_as_features(
    mocosfl_settings: Callable[..., MocoSFLSettings],
) -> None:
    settings = mocosfl_settings(knn_neighbours=1, probe_epochs=3)
    # Class 0 is dark on the left, class 1 on the right; of four test images one is turned about.
    left, right = torch.tensor([0, 255]), torch.tensor([255, 0])

    def samples(*rows: torch.Tensor, labels: list[int]) -> Samples:
        pixels = torch.stack(rows).to(torch.uint8).view(-1, 1, 1, 2)
        return Samples(pixels, torch.tensor(labels))

    surveyed: dict[int, dict[Split, Samples]] = {
        3: {
            "bank": samples(left, right, labels=[0, 1]),
            "test": samples(left, right, labels=[0, 1]),
        },
        5: {"test": samples(left, left, labels=[0, 1])},
    }

    told = Assessor(settings, CLASSES, 0).assess_inputs(surveyed)

    assert set(told) == {"raw_knn_accuracy", "raw_probe_accuracy"}
    assert told["raw_knn_accuracy"] == 0.75


def test_without_samples_there_is_a_word_and_no_number(assess: Assess) -> None:
    assessment = assess(table({"bank": {0: [1]}}), last=True)

    assert assessment.evaluations == {}
    assert assessment.said.diagnostics == {}
    assert "no client sent samples" in assessment.said.notes[0]
