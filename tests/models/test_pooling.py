"""Pooling that is PyTorch's, to the last digit."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from models.pooling import MaxPooling


@st.composite
def _poolings(draw: st.DrawFn) -> tuple[nn.MaxPool2d, MaxPooling, Tensor]:
    """Draw a pooling of both kinds, and inputs for it, some of few values, so that they tie."""
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    padding = draw(st.integers(0, min(kernel) // 2))
    sides = [draw(st.integers(side, side + 6)) for side in kernel]
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 5)), *sides)
    order = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    inputs = torch.randint(-2, 3, shape, generator=order).float()
    if draw(st.booleans()):
        inputs = torch.randn(shape, generator=order)
    return nn.MaxPool2d(kernel, stride, padding), MaxPooling(kernel, stride, padding), inputs


def _all_of(pooling: nn.Module, given_inputs: Tensor) -> list[Tensor]:
    """Return what it makes of inputs, its gradients, and those of their squares by the weights."""
    inputs = given_inputs.clone().requires_grad_()
    pooled = pooling(inputs)
    weights = torch.linspace(-1, 2, pooled.numel()).view(pooled.shape).requires_grad_()
    (gradient,) = torch.autograd.grad((pooled * weights).sum(), inputs, create_graph=True)
    (second,) = torch.autograd.grad(gradient.square().sum(), weights)
    return [pooled.detach(), gradient.detach(), second]


@given(_poolings())
def test_values_and_gradients_are_those_of_pytorch(
    drawn: tuple[nn.MaxPool2d, MaxPooling, Tensor],
) -> None:
    plain, fast, inputs = drawn
    for expected, got in zip(_all_of(plain, inputs), _all_of(fast, inputs), strict=True):
        assert torch.equal(expected, got)
        assert got.is_contiguous()


@given(_poolings())
def test_without_gradients_values_are_the_same(
    drawn: tuple[nn.MaxPool2d, MaxPooling, Tensor],
) -> None:
    plain, fast, inputs = drawn
    pooled = fast(inputs)
    assert torch.equal(plain(inputs), pooled)
    assert pooled.is_contiguous()
    with torch.inference_mode():
        assert torch.equal(fast(inputs.clone()), pooled)


@pytest.mark.parametrize("learns", [True, False])
def test_what_is_no_number_stays_in_its_window(learns: bool) -> None:
    inputs = torch.zeros(1, 1, 2, 4)
    inputs[0, 0, 1, 2] = torch.nan
    pooled = MaxPooling(2)(inputs.requires_grad_(learns))
    assert pooled.isnan().tolist() == [[[[False, True]]]]


def test_an_exported_network_pools_as_any_other_does() -> None:
    program = torch.export.export(nn.Sequential(nn.Conv2d(1, 2, 3), MaxPooling(2)), (_IMAGES,))
    called = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert called == {"aten.conv2d.default", "aten.max_pool2d.default"}


_IMAGES = torch.zeros(1, 1, 8, 8)
