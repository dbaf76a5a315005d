"""Client models as rows of a matrix: together, one after another, and as modules."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from strategies.common import seeds
from strategies.common.errors import ModelError
from strategies.common.inputs import Images
from strategies.common.split.networks import cut
from strategies.common.split.networks.stacked import StackedModels
from strategies.common.split.settings import SplitSettings
from strategies.common.task import Task

Build = Callable[..., SplitSettings]
TASK = Task(10, Images(3, 8, 8), 0)
DESIGNS = [
    {"network": "resnet18", "cut": 4, "bottleneck": "C4S2"},
    {"network": "resnet18", "cut": 2, "weight_standardisation": False},
    {"network": "vgg11", "cut": 5, "bottleneck": "noRELU_C4S1"},
    {"network": "mobilenetv2", "cut": 4},
]


def rows(fronts: StackedModels, template: nn.Module, models: int) -> Tensor:
    """Return unlike models near a template."""
    noise = torch.randn(models, fronts.num_parameters, generator=seeds.generator(0, "rows"))
    vector = fronts.vector(template)
    return (vector + 0.05 * noise.to(vector.dtype)).requires_grad_()


def views(members: int, batch: int) -> Tensor:
    return torch.randn(members, batch, 3, 8, 8, generator=seeds.generator(0, "views"))


def learned(fronts: StackedModels, vectors: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Return activations and the gradient of a loss that weighs every value differently."""
    outputs = fronts(vectors, inputs)
    weights = torch.linspace(-1, 1, outputs.numel(), dtype=outputs.dtype).view_as(outputs)
    (gradient,) = torch.autograd.grad((outputs * weights).sum(), vectors)
    return outputs.detach(), gradient


@pytest.mark.parametrize("design", DESIGNS)
def test_batched_and_sequential_agree(design: dict[str, str | int], split_settings: Build) -> None:
    template = cut.build(split_settings(width=8, **design), TASK, 0).front
    inputs = views(3, 2)
    batched, sequential = (
        StackedModels(template, batched=True),
        StackedModels(template, batched=False),
    )
    vectors = rows(batched, template, 3)
    torch.testing.assert_close(
        batched(vectors, inputs), sequential(vectors, inputs), atol=1e-5, rtol=1e-5
    )
    # In double precision, where no value sits so near to a ReLU's edge that it falls over.
    precise = template.double()
    vectors = rows(batched, precise, 3)
    expected = learned(sequential, vectors, inputs.double())
    torch.testing.assert_close(learned(batched, vectors, inputs.double()), expected)


@pytest.mark.parametrize("design", DESIGNS)
def test_sequential_is_the_module_itself_bit_for_bit(
    design: dict[str, str | int], split_settings: Build
) -> None:
    template = cut.build(split_settings(width=8, **design), TASK, 0).front
    module = cut.build(split_settings(width=8, **design), TASK, 1).front
    fronts = StackedModels(template, batched=False)
    vectors, inputs = rows(fronts, template, 3), views(3, 2)
    outputs = fronts(vectors, inputs)
    (gradient,) = torch.autograd.grad(outputs.square().sum(), vectors)
    for member in range(3):
        fronts.load(vectors[member], module)
        module.zero_grad()
        alone = module(inputs[member])
        alone.square().sum().backward()
        assert torch.equal(outputs[member], alone)
        slope = torch.cat([p.grad.flatten() for p in module.parameters() if p.grad is not None])
        assert torch.equal(gradient[member], slope)


@pytest.mark.parametrize("batched", [True, False])
def test_one_model_serves_all_members(batched: bool, split_settings: Build) -> None:
    template = cut.build(split_settings(width=8, cut=2), TASK, 0).front.double()
    fronts = StackedModels(template, batched=batched)
    vector, inputs = rows(fronts, template, 1), views(3, 2).double()
    outputs, gradient = learned(fronts, vector, inputs)
    copies = vector.detach().expand(3, -1).clone().requires_grad_()
    expected, slopes = learned(StackedModels(template, batched=False), copies, inputs)
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close(gradient, slopes.sum(dim=0, keepdim=True))


@settings(max_examples=20, deadline=None)
@given(members=st.integers(1, 5), batch=st.integers(1, 3), batched=st.booleans())
def test_members_do_not_meet(members: int, batch: int, batched: bool) -> None:
    template = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
    fronts = StackedModels(template, batched=batched)
    vectors, inputs = rows(fronts, template, members), views(members, batch)
    outputs = fronts(vectors, inputs)
    assert outputs.shape == (members, batch, 4, 8, 8)
    (gradient,) = torch.autograd.grad(outputs[-1].sum(), vectors)
    assert not gradient[:-1].any()
    assert gradient[-1].any()


def test_a_row_lists_parameters_in_the_order_of_their_names() -> None:
    module = nn.Linear(2, 1)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([[1.0, 2.0]]))
        module.bias.copy_(torch.tensor([3.0]))
    fronts = StackedModels(module, batched=True)
    assert fronts.num_parameters == 3
    vector = fronts.vector(module)
    assert vector.tolist() == [1.0, 2.0, 3.0]
    vector.zero_()
    assert module.bias.item() == 3.0
    fronts.load(torch.tensor([4.0, 5.0, 6.0]), module)
    assert module.weight.tolist() == [[4.0, 5.0]]
    assert module.bias.item() == 6.0
    # 1 * 1 + 2 * 10 + 3 and 0 * 1 + 0 * 10 + 7, whatever the template holds.
    outputs = fronts(torch.tensor([[1.0, 2, 3], [0, 0, 7]]), torch.tensor([[[1.0, 10]]] * 2))
    assert outputs.flatten().tolist() == [24.0, 7.0]


def test_a_loaded_module_keeps_nothing_of_the_row() -> None:
    module = nn.Linear(2, 1)
    fronts = StackedModels(module, batched=True)
    row = torch.zeros(3, requires_grad=True)
    fronts.load(row, module)
    assert all(parameter.is_leaf and parameter.requires_grad for parameter in module.parameters())
    with torch.no_grad():
        row.fill_(9)
    assert not fronts.vector(module).any()


def test_what_does_not_fit_is_refused() -> None:
    fronts = StackedModels(nn.Linear(2, 1), batched=True)
    inputs = torch.zeros(3, 5, 2)
    with pytest.raises(ModelError, match=r"expected \(3 or 1, 3\).*3 members, got \(2, 3\)"):
        fronts(torch.zeros(2, 3), inputs)
    with pytest.raises(ModelError, match=r"got \(3, 4\)"):
        fronts(torch.zeros(3, 4), inputs)
    with pytest.raises(ModelError, match=r"expected \(3,\) parameters, got \(4,\)"):
        fronts.load(torch.zeros(4), nn.Linear(2, 1))
    with pytest.raises(ModelError, match=r"here weight \(1, 2\), got weight \(1, 3\)"):
        fronts.vector(nn.Linear(3, 1))
    with pytest.raises(ModelError, match=r"here bias \(1,\), got no more"):
        fronts.load(torch.zeros(3), nn.Linear(2, 1, bias=False))


def test_templates_without_parameters_or_with_buffers_are_refused() -> None:
    with pytest.raises(ModelError, match="expected no buffers, got running_mean, running_var"):
        StackedModels(nn.BatchNorm2d(4), batched=True)
    with pytest.raises(ModelError, match="expected parameters, got none"):
        StackedModels(nn.ReLU(), batched=False)
