"""SGD on flat weights: torch's own numbers, to the last bit."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from strategies.common.split.sgd import SGD


def test_two_steps_by_hand() -> None:
    weights, velocity = torch.tensor([[1.0, -2.0]]), torch.zeros(1, 2)
    gradient = torch.tensor([[0.5, 0.0]])
    rule = SGD(momentum=0.5, weight_decay=0.25)
    rule.step(weights, gradient, velocity, 0.5)
    # Slope 0.5 + 0.25 * 1 = 0.75 and 0 - 0.5; half of it is subtracted.
    assert velocity.tolist() == [[0.75, -0.5]]
    assert weights.tolist() == [[0.625, -1.75]]
    rule.step(weights, torch.zeros(1, 2), velocity, 0.5)
    # Slope 0.15625 and -0.4375, on top of half the velocity.
    assert velocity.tolist() == [[0.53125, -0.6875]]
    assert weights.tolist() == [[0.359375, -1.40625]]
    assert gradient.tolist() == [[0.5, 0.0]]


@settings(max_examples=30, deadline=None)
@given(
    momentum=st.sampled_from([0.0, 0.5, 0.9]),
    weight_decay=st.sampled_from([0.0, 5e-4, 0.1]),
    rate=st.sampled_from([0.3, 0.06, 1e-3]),
    seed=st.integers(0, 10_000),
)
def test_it_is_torchs_sgd_to_the_last_bit(
    momentum: float, weight_decay: float, rate: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    # Odd sizes, so that a flat row and its parts end differently in the processor's lanes.
    shapes = [(3, 5), (7,), (1,), (2, 3, 3, 3)]
    parameters = [nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]
    flat = torch.cat([parameter.detach().flatten() for parameter in parameters])[None].clone()
    velocity = torch.zeros_like(flat)
    optimiser = torch.optim.SGD(parameters, rate, momentum=momentum, weight_decay=weight_decay)
    for _ in range(4):
        for parameter in parameters:
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        gradient = torch.cat([p.grad.flatten() for p in parameters if p.grad is not None])[None]
        optimiser.step()
        SGD(momentum, weight_decay).step(flat, gradient, velocity, rate)
    assert torch.equal(flat[0], torch.cat([p.detach().flatten() for p in parameters]))


def test_rows_are_models_of_their_own() -> None:
    generator = torch.Generator().manual_seed(0)
    weights, gradient = torch.randn(2, 3, 11, generator=generator)
    together, velocity = weights.clone(), torch.zeros(3, 11)
    rule = SGD(0.9, 1e-3)
    rule.step(together, gradient, velocity, 0.1)
    for row in range(3):
        alone, own = weights[row].clone(), torch.zeros(11)
        rule.step(alone, gradient[row], own, 0.1)
        assert torch.equal(alone, together[row])
        assert torch.equal(own, velocity[row])


def test_weights_under_autograd_may_be_moved() -> None:
    weights = torch.ones(1, 2, requires_grad=True)
    SGD(0.9, 0.1).step(weights, torch.ones(1, 2), torch.zeros(1, 2), 1.0)
    assert weights.requires_grad
    torch.testing.assert_close(weights.detach(), torch.full((1, 2), -0.1))


def test_unlike_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got \(1, 2\), \(2,\) and \(1, 2\)"):
        SGD(0.9, 0.0).step(torch.ones(1, 2), torch.ones(2), torch.ones(1, 2), 0.1)
