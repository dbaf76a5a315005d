from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from strategies.common.adapters.reading import Reader, cut_note, steps_of_round
from strategies.common.samples import num_batches, shuffled_batches
from strategies.common.settings import RunSettings
from tests.strategies.asking_device import AskingDevice, questions
from tests.strategies.tiny_backbone import TinyBackbone

CPU = torch.device("cpu")


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 9, 12])
@pytest.mark.parametrize("size", [2, 4])
def test_batches_are_counted_as_they_are_made(count: int, size: int) -> None:
    made = list(shuffled_batches(count, size, torch.Generator().manual_seed(0)))
    assert num_batches(count, size) == len(made)


def test_so_many_batches_are_read_in_as_many_passes_as_it_takes() -> None:
    reader = Reader(TinyBackbone(), questions(10, 0), CPU)
    batches = list(reader.shuffled(4, 7, torch.Generator().manual_seed(0)))
    assert [len(batch) for batch in batches] == [4, 4, 2, 4, 4, 2, 4]
    first = torch.cat([batch.images for batch in batches[:3]])
    everything = questions(10, 0).inputs
    assert sorted(first.flatten(1).sum(1).tolist()) == sorted(everything.flatten(1).sum(1).tolist())


def test_rows_stay_together() -> None:
    samples = replace(questions(4, 0), scores=torch.eye(4, 3))
    batch = Reader(TinyBackbone(), samples, CPU).batch(torch.tensor([2, 1]))
    assert torch.equal(batch.images, samples.inputs[[2, 1]])
    assert torch.equal(batch.labels, samples.labels[[2, 1]])
    assert batch.scores is not None
    assert torch.equal(batch.scores, torch.eye(4, 3)[[2, 1]])
    assert torch.equal(samples.rows(torch.tensor([2, 1])).inputs, batch.images)


def test_compute_is_a_multiple_of_the_epochs_in_whole_batches(
    run_settings: Callable[..., RunSettings],
) -> None:
    device = AskingDevice(run_settings(batch_size=4, local_epochs=2))
    assert [steps_of_round(device, compute) for compute in (1.0, 7 / 3, 0.01)] == [6, 14, 1]


def test_cut_questions_are_told() -> None:
    long = replace(questions(2, 0), questions=("what is it ?", "is it is it is it ?"))
    assert Reader(TinyBackbone(), long, CPU).num_cut == 1
    assert cut_note(Reader(TinyBackbone(), questions(2, 0), CPU)) == ()
