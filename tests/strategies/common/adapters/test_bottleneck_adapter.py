"""One adapter computes what its formula says, and starts as it is told to."""

import pytest
import torch

from strategies.common.adapters.bottleneck import Bottleneck


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_bottleneck_worked_out_by_hand() -> None:
    adapter = Bottleneck(2, 2, "zero-up", generator())
    with torch.no_grad():
        adapter.down.weight.copy_(torch.tensor([[1.0, 2.0], [-1.0, 1.0]]))
        adapter.down.bias.copy_(torch.tensor([0.5, -1.0]))
        adapter.up.weight.copy_(torch.tensor([[2.0, 1.0], [-1.0, 3.0]]))
        adapter.up.bias.copy_(torch.tensor([0.25, 1.0]))
    # x = (1, 1): D x + b = (3.5, -1), relu (3.5, 0), U of it (7, -3.5), plus b_U.
    # x = (-1, 2): D x + b = (3.5, 2), U of it (9, 2.5), plus b_U.
    found = adapter(torch.tensor([[1.0, 1.0], [-1.0, 2.0]]))
    assert found.tolist() == [[7.25, -2.5], [9.25, 3.5]]


def test_the_published_start_is_normal_with_a_spread_of_two_hundredths() -> None:
    adapter = Bottleneck(400, 100, "normal", generator())
    for weight in (adapter.down.weight, adapter.up.weight):
        # 40,000 draws: the mean is within 5 of its own standard errors, 0.02 / 200 each.
        assert abs(float(weight.detach().mean())) < 5e-4
        assert float(weight.detach().std()) == pytest.approx(0.02, rel=0.02)
    assert not torch.equal(adapter.down.weight, adapter.up.weight.T)
    assert not adapter.down.bias.any()
    assert not adapter.up.bias.any()


def test_zero_up_adds_nothing_at_the_start_but_learns() -> None:
    adapter = Bottleneck(6, 3, "zero-up", generator())
    added = adapter(torch.randn(4, 5, 6, generator=generator(1)))
    assert added.shape == (4, 5, 6)
    assert not added.any()
    added.sum().backward()
    assert adapter.up.weight.grad.any()


def test_the_generator_alone_decides_the_weights() -> None:
    before = torch.random.get_rng_state()
    first, same, other = (Bottleneck(8, 4, "normal", generator(seed)) for seed in (3, 3, 4))
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(first.down.weight, same.down.weight)
    assert torch.equal(first.up.weight, same.up.weight)
    assert not torch.equal(first.up.weight, other.up.weight)


def test_as_a_constant_it_passes_gradients_on_and_takes_none() -> None:
    adapter = Bottleneck(6, 3, "normal", generator())
    hidden, beside = (torch.randn(4, 6, generator=generator(1)).requires_grad_() for _ in range(2))
    added, constant = adapter(hidden), adapter.constant(beside)
    assert torch.equal(added, constant)
    constant.square().sum().backward()
    assert all(parameter.grad is None for parameter in adapter.parameters())
    added.square().sum().backward()
    assert torch.equal(hidden.grad, beside.grad)
    assert hidden.grad.any()


def test_half_precision_hidden_states_stay_half() -> None:
    adapter = Bottleneck(6, 3, "normal", generator())
    hidden = torch.randn(4, 6, generator=generator(1))
    added = adapter(hidden.to(torch.bfloat16))
    assert added.dtype == torch.bfloat16
    assert adapter.down.weight.dtype == torch.float32
    torch.testing.assert_close(added.float(), adapter(hidden), atol=1e-3, rtol=2e-2)
