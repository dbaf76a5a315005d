"""States become tensors and come back, whole or not at all."""

from dataclasses import dataclass, field

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from strategies.common.errors import StoreError
from strategies.common.transport.state import load_tensors, to_tensors


@dataclass
class Toy:
    model: nn.Module
    means: Tensor | None
    labels: Tensor | None


@dataclass
class Empty:
    """Nothing survives."""


def model(offset: float = 0.0) -> nn.Module:
    layers = nn.Sequential(nn.Linear(2, 3, bias=False), nn.BatchNorm1d(3))
    with torch.no_grad():
        for number, parameter in enumerate(layers.parameters()):
            parameter.fill_(number + offset)
    return layers


def toy(offset: float = 0.0) -> Toy:
    return Toy(model(offset), torch.arange(6.0).reshape(2, 3) + offset, None)


def test_a_state_has_one_tensor_per_tensor() -> None:
    tensors = to_tensors(toy())
    assert set(tensors) == {
        "means",
        # None is told from missing.
        "labels:nothing",
        "model/0.weight",
        "model/1.weight",
        "model/1.bias",
        "model/1.running_mean",
        "model/1.running_var",
        "model/1.num_batches_tracked",
    }


def test_a_state_comes_back_as_it_was() -> None:
    saved = toy(5.0)
    saved.model(torch.tensor([[1.0, 2.0], [3.0, 5.0]]))  # so that the buffers have moved
    fresh = toy()
    fresh.labels = torch.tensor([1])
    load_tensors(fresh, to_tensors(saved))
    assert fresh.means is not None
    assert torch.equal(fresh.means, torch.arange(6.0).reshape(2, 3) + 5.0)
    assert fresh.labels is None
    for name, tensor in saved.model.state_dict().items():
        assert torch.equal(fresh.model.state_dict()[name], tensor), name
    assert int(fresh.model.state_dict()["1.num_batches_tracked"]) == 1


def test_a_state_may_gain_a_tensor_that_it_began_without() -> None:
    saved = toy()
    saved.labels = torch.tensor([3, 1])
    fresh = toy()
    load_tensors(fresh, to_tensors(saved))
    assert fresh.labels is not None
    assert fresh.labels.tolist() == [3, 1]


def test_tensors_are_copies_that_later_training_does_not_touch() -> None:
    state = toy()
    assert state.means is not None
    state.means = state.means.T
    tensors = to_tensors(state)
    assert tensors["means"].is_contiguous()
    assert not any(tensor.requires_grad for tensor in tensors.values())
    with torch.no_grad():
        state.means += 1
        for parameter in state.model.parameters():
            parameter.add_(1)
    assert torch.equal(tensors["means"], torch.arange(6.0).reshape(2, 3).T)
    assert torch.equal(tensors["model/0.weight"], torch.zeros(3, 2))


def test_without_copies_tensors_are_the_states_own_but_no_two_share_memory() -> None:
    tied = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    tied[1].weight = tied[0].weight
    means = torch.arange(6.0).reshape(2, 3)
    tensors = to_tensors(Toy(tied, means.T, means), copy=False)
    assert tensors["model/0.weight"].data_ptr() == tied[0].weight.data_ptr()
    assert len({tensor.untyped_storage().data_ptr() for tensor in tensors.values()}) == 4
    assert all(tensor.is_contiguous() for tensor in tensors.values())
    assert torch.equal(tensors["model/1.weight"], tied[0].weight)
    assert torch.equal(tensors["means"], means.T)
    assert torch.equal(tensors["labels"], means)


def test_a_state_of_nothing_is_no_tensor() -> None:
    assert to_tensors(Empty()) == {}
    load_tensors(Empty(), {})


@pytest.mark.parametrize(
    "stray",
    [
        *("other", "model", "model:nothing", "means/0.weight", "labels/x", "other/0.weight", ""),
        *("other:nothing", "means:nothing/x"),
    ],
)
def test_a_tensor_that_belongs_nowhere_is_refused(stray: str) -> None:
    tensors = {**to_tensors(toy()), stray: torch.zeros(1)}
    with pytest.raises(StoreError, match="unknown fields"):
        load_tensors(toy(), tensors)


def test_a_module_gets_all_of_its_tensors_and_no_more() -> None:
    tensors = to_tensors(toy())
    lacking = {k: v for k, v in tensors.items() if k != "model/1.bias"}
    with pytest.raises(StoreError, match=r"(?s)does not fit model:.*1\.bias"):
        load_tensors(toy(), lacking)
    with pytest.raises(StoreError, match=r"(?s)does not fit model:.*2\.weight"):
        load_tensors(toy(), {**tensors, "model/2.weight": torch.zeros(1)})
    with pytest.raises(StoreError, match=r"(?s)does not fit model:.*size mismatch"):
        load_tensors(toy(), {**tensors, "model/0.weight": torch.zeros(2, 2)})


@dataclass
class Rich:
    """One field of every kind."""

    model: nn.Module
    means: Tensor
    labels: Tensor | None
    moments: dict[str, Tensor] = field(default_factory=dict)


def rich(labels: Tensor | None = None, **moments: Tensor) -> Rich:
    return Rich(model(), torch.ones(2), labels, moments)


@pytest.mark.parametrize(
    ("saved", "lost", "name"),
    [
        (rich(), ["means"], "means"),
        (rich(), ["labels:nothing"], "labels"),
        (rich(torch.tensor([1])), ["labels"], "labels"),
        (rich(), ["moments:nothing"], "moments"),
        (rich(a=torch.ones(1)), ["moments/a"], "moments"),
        (rich(), ["means", "labels:nothing"], "means, labels"),
    ],
)
def test_a_field_that_is_missing_is_named(saved: Rich, lost: list[str], name: str) -> None:
    tensors = {key: value for key, value in to_tensors(saved).items() if key not in lost}
    fresh = rich(torch.tensor([7]), b=torch.zeros(1))
    with pytest.raises(StoreError, match=rf"stored state lacks fields: {name}; .* another version"):
        load_tensors(fresh, tensors)
    # Nothing was half loaded.
    assert fresh.labels is not None
    assert fresh.labels.tolist() == [7]
    load_tensors(fresh, to_tensors(saved))


def test_a_field_that_was_nothing_replaces_what_is_there() -> None:
    fresh = rich(torch.tensor([7]), b=torch.zeros(1))
    load_tensors(fresh, to_tensors(rich()))
    assert fresh.labels is None
    assert fresh.moments == {}


NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(
    moments=st.dictionaries(NAMES, st.lists(st.floats(width=32, allow_nan=False), max_size=4)),
    labels=st.none() | st.lists(st.integers(-(2**62), 2**62), max_size=4),
)
def test_mappings_and_tensors_come_back_whatever_their_names(
    moments: dict[str, list[float]], labels: list[int] | None
) -> None:
    saved = rich(None if labels is None else torch.tensor(labels, dtype=torch.int64))
    saved.moments = {name: torch.tensor(numbers) for name, numbers in moments.items()}
    fresh = rich(torch.tensor([7]), b=torch.zeros(1))
    load_tensors(fresh, to_tensors(saved))
    assert fresh.moments.keys() == saved.moments.keys()
    assert all(torch.equal(fresh.moments[name], saved.moments[name]) for name in moments)
    assert (None if fresh.labels is None else fresh.labels.tolist()) == labels


def test_only_modules_and_tensors_make_a_state() -> None:
    @dataclass
    class Wrong:
        count: int

    with pytest.raises(TypeError, match="state field count holds a int"):
        to_tensors(Wrong(3))
