"""A set of adapters is one vector in one order, and its shape has one digest."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.common.adapters.adapter_set import AdapterSet, AdapterShape
from strategies.common.adapters.sites import Site
from strategies.common.errors import ModelError

SHAPE = AdapterShape(("text.0", "image.0"), (4, 6), 2)

shapes = st.lists(
    st.tuples(st.text(max_size=5), st.integers(1, 9)), min_size=1, max_size=4
).flatmap(
    lambda sites: st.builds(
        AdapterShape,
        st.just(tuple(dict(sites))),
        st.just(tuple(dict(sites).values())),
        st.integers(1, 5),
    )
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_payload_of_a_base_sized_vilt() -> None:
    shape = AdapterShape(tuple(f"encoder.layer.{index}" for index in range(12)), (768,) * 12, 48)
    # 12 (2 * 48 * 768 + 48 + 768), 3.58 MB in float32.
    assert shape.num_parameters == 894_528


def test_the_keys_are_the_tensors_of_the_vector_in_order() -> None:
    assert SHAPE.keys() == (
        ("text.0.down.weight", (2, 4)),
        ("text.0.down.bias", (2,)),
        ("text.0.up.weight", (4, 2)),
        ("text.0.up.bias", (4,)),
        ("image.0.down.weight", (2, 6)),
        ("image.0.down.bias", (2,)),
        ("image.0.up.weight", (6, 2)),
        ("image.0.up.bias", (6,)),
    )
    counted = torch.arange(SHAPE.num_parameters, dtype=torch.float32)
    adapters = AdapterSet.from_vector(SHAPE, counted)
    # 8 + 2 + 8 + 4 of the first site come before the second site's.
    assert adapters[0].down.weight.tolist() == [[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]]
    assert adapters[0].down.bias.tolist() == [8.0, 9.0]
    assert adapters[0].up.weight[0].tolist() == [10.0, 11.0]
    assert adapters[0].up.bias.tolist() == [18.0, 19.0, 20.0, 21.0]
    assert adapters[1].down.weight[0, 0] == 22.0
    assert adapters[1].up.bias[-1] == SHAPE.num_parameters - 1


@settings(max_examples=30, deadline=None)
@given(shapes)
def test_keys_agree_with_the_parameters_that_there_are(shape: AdapterShape) -> None:
    adapters = AdapterSet(shape, "normal", generator())
    sizes = [tuple(parameter.shape) for parameter in adapters.parameters()]
    assert sizes == list(dict(shape.keys()).values())
    assert len(adapters.vector()) == shape.num_parameters
    assert [adapter.down.in_features for adapter in adapters] == list(shape.widths)
    copied = AdapterSet.from_vector(shape, adapters.vector())
    assert torch.equal(copied.vector(), adapters.vector())


def test_the_vector_is_a_copy_both_ways() -> None:
    adapters = AdapterSet(SHAPE, "normal", generator())
    sent = adapters.vector()
    kept = sent.clone()
    frozen, shared = (AdapterSet.from_vector(SHAPE, sent) for _ in range(2))
    assert sent.dtype == torch.float32
    assert not sent.requires_grad
    with torch.no_grad():
        for parameter in [*adapters.parameters(), *shared.parameters()]:
            parameter.add_(1.0)
    assert torch.equal(sent, kept)
    assert torch.equal(frozen.vector(), kept)
    assert torch.equal(shared.vector(), kept + 1.0)


def test_an_optimiser_goes_on_after_a_load() -> None:
    adapters = AdapterSet(SHAPE, "normal", generator())
    optimiser = torch.optim.SGD(adapters.parameters(), 1.0)
    adapters.load(torch.zeros(SHAPE.num_parameters))
    adapters[0].up.bias.sum().backward()
    optimiser.step()
    assert adapters[0].up.bias.tolist() == [-1.0] * 4
    assert adapters.vector().sum() == -4.0


@pytest.mark.parametrize("length", [0, SHAPE.num_parameters - 1, SHAPE.num_parameters + 1])
def test_a_vector_of_another_length_is_refused(length: int) -> None:
    adapters = AdapterSet(SHAPE, "normal", generator())
    before = adapters.vector()
    with pytest.raises(ModelError, match=rf"rank 2 at 2 sites: expected .* got \({length},\)"):
        adapters.load(torch.zeros(length))
    assert torch.equal(adapters.vector(), before)


def test_a_matrix_is_no_vector() -> None:
    with pytest.raises(ModelError, match="expected a vector"):
        AdapterSet.from_vector(SHAPE, torch.zeros(1, SHAPE.num_parameters))


def test_a_state_holds_every_tensor_once() -> None:
    state = AdapterSet(SHAPE, "normal", generator()).state_dict()
    assert len(state) == len(SHAPE.keys())
    assert len({tensor.data_ptr() for tensor in state.values()}) == len(state)


def test_sites_start_apart_and_a_seed_starts_the_same() -> None:
    shape = AdapterShape(("a", "b"), (5, 5), 3)
    first, same, other = (AdapterSet(shape, "normal", generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first.vector(), same.vector())
    assert not torch.equal(first.vector(), other.vector())
    assert not torch.equal(first[0].down.weight, first[1].down.weight)


def test_the_digest_is_the_same_everywhere() -> None:
    again = AdapterShape(SHAPE.names, SHAPE.widths, SHAPE.rank)
    assert SHAPE.digest() == again.digest()
    assert len(SHAPE.digest()) == 32
    # Part of the protocol: SHA-256 of this text.
    # [["b.down.weight", [1, 2]], ["b.down.bias", [1]], ["b.up.weight", [2, 1]], ["b.up.bias", [2]]]
    single = AdapterShape(("b",), (2,), 1)
    assert (
        single.digest().hex() == "d409aa1039b1e6c5f989f26213f8b9b2ce788d2ad408e8b6125ed294619fa7a1"
    )


@pytest.mark.parametrize(
    "other",
    [
        replace(SHAPE, names=("text.0", "image.1")),
        replace(SHAPE, widths=(4, 8)),
        replace(SHAPE, rank=3),
        AdapterShape(SHAPE.names[::-1], SHAPE.widths[::-1], 2),
        replace(SHAPE, names=SHAPE.names[::-1]),
        replace(SHAPE, widths=SHAPE.widths[::-1]),
        AdapterShape(("text.0",), (4,), 2),
    ],
)
def test_the_digest_tells_shapes_apart(other: AdapterShape) -> None:
    assert other.digest() != SHAPE.digest()


def test_a_shape_is_read_off_sites() -> None:
    module = torch.nn.Identity()
    sites = [Site("text.0", module, 4, "post-norm"), Site("image.0", module, 6, "residual")]
    assert AdapterShape.at(sites, 2) == SHAPE


@pytest.mark.parametrize(
    ("names", "widths", "rank", "told"),
    [
        ((), (), 1, "names of sites"),
        (("a", "a"), (1, 1), 1, "each once"),
        (("a", "b"), (1,), 1, "expected 2 widths, one per site, got 1"),
        (("a",), (0,), 1, "at least 1"),
        (("a",), (1,), 0, "at least 1, got rank 0"),
    ],
)
def test_a_shape_that_cannot_be_is_refused(
    names: tuple[str, ...], widths: tuple[int, ...], rank: int, told: str
) -> None:
    with pytest.raises(ModelError, match=told):
        AdapterShape(names, widths, rank)
