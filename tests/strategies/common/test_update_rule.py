from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

from strategies.common.update_rule import SGD, Adam, Group, UpdateRule

Make = Callable[[list[nn.Parameter]], torch.optim.Optimizer]

RULES: list[tuple[Callable[[list[Group]], UpdateRule], Make]] = [
    (SGD, lambda own: torch.optim.SGD(own, 0.1, weight_decay=0.5)),
    (
        lambda groups: SGD(groups, 0.9),
        lambda own: torch.optim.SGD(own, 0.1, momentum=0.9, weight_decay=0.5),
    ),
    (Adam, lambda own: torch.optim.AdamW(own, 0.1, weight_decay=0.5)),
    (
        lambda groups: Adam(groups, betas=(0.5, 0.9)),
        lambda own: torch.optim.AdamW(own, 0.1, betas=(0.5, 0.9), weight_decay=0.5),
    ),
    (
        lambda groups: Adam(groups, fused=True),
        lambda own: torch.optim.AdamW(own, 0.1, weight_decay=0.5, fused=True),
    ),
]


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))


@pytest.mark.parametrize(("rule", "peer"), RULES)
def test_weights_and_moments_are_those_of_the_class(
    rule: Callable[[list[Group]], UpdateRule], peer: Make
) -> None:
    mine, its = network(), network()
    parameters, others = [*mine.parameters()], [*its.parameters()]
    moving, class_of_torch = rule([Group(parameters, 0.5)]), peer(others)
    inputs, labels = torch.randn(16, 4), torch.arange(16) % 3
    for _ in range(4):
        moving.forget_gradients()
        functional.cross_entropy(mine(inputs), labels).backward()
        moving.step(0.1)
        class_of_torch.zero_grad()
        functional.cross_entropy(its(inputs), labels).backward()
        class_of_torch.step()
    for own, other in zip(parameters, others, strict=True):
        assert torch.equal(own, other)
        theirs = {k: v for k, v in class_of_torch.state[other].items() if v is not None}
        kept = moving.moments.get(own, {})
        assert kept.keys() == theirs.keys()
        assert all(torch.equal(kept[name], value) for name, value in theirs.items())


def test_adam_without_decay_is_adam() -> None:
    own, other = nn.Parameter(torch.tensor([1.0, -2.0])), nn.Parameter(torch.tensor([1.0, -2.0]))
    rule, peer = Adam([Group([own])]), torch.optim.Adam([other], 0.1)
    for _ in range(3):
        rule.descend(own.square().sum(), 0.1)
        peer.zero_grad()
        other.square().sum().backward()
        peer.step()
    assert torch.equal(own, other)


def test_groups_decay_by_their_own() -> None:
    one, other = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    rule = SGD([Group([one], 0.5), Group([other])])
    (0.0 * (one + other)).sum().backward()
    rule.step(0.1)
    assert one.item() == pytest.approx(0.95)
    assert other.item() == 1.0


@pytest.mark.parametrize("rule", [SGD, lambda g: SGD(g, 0.9), Adam])
def test_what_has_no_gradient_stays_and_leaves_no_moments(
    rule: Callable[[list[Group]], UpdateRule],
) -> None:
    one, other = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    moving = rule([Group([other, one], 0.5)])
    one.sum().backward()
    moving.step(0.1)
    assert other.item() == 1.0
    assert one.item() < 1.0
    assert other not in moving.moments


def test_a_parameter_named_twice_is_refused() -> None:
    parameter = nn.Parameter(torch.ones(1))
    with pytest.raises(ValueError, match="twice"):
        SGD([Group([parameter]), Group([parameter])])
