"""Images, windows, tokens and columns: what one input of a network is."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from strategies.common.errors import ModelError
from strategies.common.inputs import (
    KINDS,
    Columns,
    Images,
    Inputs,
    Tokens,
    Windows,
    from_sizes,
    inputs_of,
    sizes_of,
)
from strategies.common.task import Foundation, Place, Task

SIZE = st.integers(1, 40)
ANY_INPUTS = st.one_of(
    st.builds(Images, SIZE, SIZE, SIZE),
    st.builds(Windows, SIZE, SIZE),
    st.builds(Tokens, SIZE, SIZE),
    st.builds(Columns, SIZE),
)


def draw(inputs: Inputs, count: int) -> torch.Tensor:
    return inputs.example(count, torch.Generator().manual_seed(0))


def test_shapes_are_those_of_one_input() -> None:
    assert Images(3, 8, 9).shape == (3, 8, 9)
    assert Windows(9, 128).shape == (9, 128)
    assert Tokens(20, 1000).shape == (20,)
    assert Columns(7).shape == (7,)


def test_words_say_kind_and_sizes() -> None:
    assert str(Images(3, 8, 9)) == "images of 3 x 8 x 9 (channels x height x width)"
    assert str(Windows(9, 128)) == "windows of 9 x 128 (channels x steps)"
    assert str(Tokens(20, 1000)) == "rows of 20 tokens from a vocabulary of 1000"
    assert str(Columns(7)) == "rows of 7 numbers"


def test_an_example_is_what_a_network_reads() -> None:
    pictures = draw(Images(1, 30, 30), 5)
    assert pictures.dtype == torch.float32
    assert -1 <= pictures.min() < -0.9
    assert 0.9 < pictures.max() <= 1
    readings = draw(Windows(9, 128), 5)
    assert readings.dtype == torch.float32
    assert abs(readings.mean().item()) < 0.1
    assert abs(readings.std().item() - 1) < 0.1
    tokens = draw(Tokens(50, 4), 5)
    assert tokens.dtype == torch.int64
    assert tokens.unique().tolist() == [0, 1, 2, 3]


@given(inputs=ANY_INPUTS, count=st.integers(1, 3))
def test_an_example_tells_what_it_is(inputs: Inputs, count: int) -> None:
    batch = draw(inputs, count)
    assert batch.shape == (count, *inputs.shape)
    assert torch.equal(batch, draw(inputs, count))
    vocabulary = inputs.vocabulary if isinstance(inputs, Tokens) else 0
    assert inputs_of(batch, vocabulary) == inputs


@given(inputs=ANY_INPUTS)
def test_kind_and_sizes_bring_inputs_back(inputs: Inputs) -> None:
    assert from_sizes(inputs.kind, sizes_of(inputs)) == inputs


def test_sizes_stand_in_the_order_of_the_fields() -> None:
    assert sizes_of(Images(3, 8, 9)) == [3, 8, 9]
    assert from_sizes("tokens", [20, 1000]) == Tokens(length=20, vocabulary=1000)
    assert list(KINDS) == ["images", "windows", "tokens", "columns"]


def test_unknown_kinds_and_other_numbers_of_sizes_are_refused() -> None:
    with pytest.raises(
        ValueError, match="expected one of images, windows, tokens, columns, got 'sounds'"
    ):
        from_sizes("sounds", [1, 2])
    with pytest.raises(ValueError, match="expected channels, steps of windows, got 3 sizes"):
        from_sizes("windows", [1, 2, 3])


@pytest.mark.parametrize(
    ("batch", "vocabulary"),
    [
        (torch.zeros(5, 20, dtype=torch.int64), 0),
        (torch.zeros(5, 20, dtype=torch.int32), 100),
        (torch.zeros(5), 100),
        (torch.zeros(5, 1, 1, 1, 1), 0),
    ],
)
def test_other_batches_are_refused(batch: torch.Tensor, vocabulary: int) -> None:
    with pytest.raises(ModelError, match=r"int64 tokens .* with a vocabulary, got torch\."):
        inputs_of(batch, vocabulary)


def test_pictures_are_asked_for_by_name() -> None:
    assert Task(10, Images(1, 8, 8), 0).images == Images(1, 8, 8)
    for other in (Windows(9, 128), Tokens(20, 1000)):
        with pytest.raises(ModelError) as refusal:
            _ = Task(10, other, 0).images
        assert f"task.images: expected images, got {other}; " in str(refusal.value)
        assert f"models that read {other.kind}" in str(refusal.value)


@given(inputs=ANY_INPUTS, foundation=st.booleans())
def test_a_task_comes_back_from_its_values(inputs: Inputs, foundation: bool) -> None:
    adapted = Foundation("0" * 64, 2, (Place("blocks.0", 4, 8),)) if foundation else None
    task = Task(10, inputs, 16, adapted)
    assert Task.from_values(task.to_values()) == task


def test_tasks_from_before_inputs_had_a_kind_are_refused() -> None:
    old = {"num_classes": 10, "channels": 9, "height": 1, "width": 128, "feature_dim": 16}
    with pytest.raises(ValueError, match="expected inputs with kind and sizes, got num_classes, "):
        Task.from_values(old)
