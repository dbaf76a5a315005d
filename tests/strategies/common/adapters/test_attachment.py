"""Adapters change a network as their formulas say, and leave it as it was."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from strategies.common.adapters.adapter_set import AdapterSet, AdapterShape
from strategies.common.adapters.attachment import Attachment
from strategies.common.adapters.bottleneck import Bottleneck
from strategies.common.adapters.sites import Site, find_sites
from strategies.common.errors import ModelError
from tests.strategies.common.adapters import tiny_networks

NETWORKS = ["vilt", "bert", "vit", "clip", "siglip", "blip"]


def drawn(network: nn.Module, seed: int = 0, scale: float = 10.0) -> AdapterSet:
    """Draw adapters that are large enough to be seen in the output."""
    shape = AdapterShape.at(find_sites(network), 3)
    values = torch.randn(shape.num_parameters, generator=torch.Generator().manual_seed(seed))
    return AdapterSet.from_vector(shape, values * 0.02 * scale)


def plainly(adapter: Bottleneck, hidden: Tensor) -> Tensor:
    narrow = (hidden @ adapter.down.weight.T + adapter.down.bias).clamp_min(0)
    return narrow @ adapter.up.weight.T + adapter.up.bias


def plain_norm(norm: nn.LayerNorm, hidden: Tensor) -> Tensor:
    centred = hidden - hidden.mean(-1, keepdim=True)
    return (
        centred / (centred.square().mean(-1, keepdim=True) + norm.eps).sqrt() * (norm.weight)
        + norm.bias
    )


@torch.no_grad()
def test_post_norm_is_the_pfeiffer_scheme_in_every_bert_layer() -> None:
    network = tiny_networks.build("bert")
    adapters = drawn(network)
    mask = torch.zeros(2, 1, 1, 4)
    mask[1, 0, 0, 3] = torch.finfo(torch.float32).min
    hidden = network.embeddings(tiny_networks.tokens())
    for layer, adapter in zip(network.encoder.layer, adapters, strict=True):
        attended = layer.attention(hidden, mask)[0]
        fed = layer.output.dense(layer.intermediate(attended))
        norm = layer.output.LayerNorm
        read = plain_norm(norm, fed + attended)
        hidden = plain_norm(norm, (fed + plainly(adapter, read)) + attended)
    with Attachment(find_sites(network)) as attachment, attachment.using(adapters):
        found = tiny_networks.hidden("bert", network)
    torch.testing.assert_close(found, hidden, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_residual_adapters_read_the_output_of_every_vit_layer() -> None:
    network = tiny_networks.build("vit")
    adapters = drawn(network)
    hidden = network.embeddings(tiny_networks.images())
    for layer, adapter in zip(network.layers, adapters, strict=True):
        output = layer(hidden)
        hidden = output + plainly(adapter, output)
    with Attachment(find_sites(network)) as attachment, attachment.using(adapters):
        found = tiny_networks.hidden("vit", network)
    torch.testing.assert_close(found, network.layernorm(hidden), atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_a_tuple_keeps_what_stands_behind_the_hidden_states() -> None:
    network = tiny_networks.build("vilt")
    layer = network.encoder.layer[0]
    hidden = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(0))
    plain = layer(hidden, output_attentions=True)
    assert isinstance(plain, tuple)
    adapters = drawn(network)
    with Attachment(find_sites(network)) as attachment, attachment.using(adapters):
        found = layer(hidden, output_attentions=True)
    torch.testing.assert_close(found[0], plain[0] + plainly(adapters[0], plain[0]))
    assert len(found) == len(plain) == 2
    assert torch.equal(found[1], plain[1])


class Returning(nn.Module):
    def __init__(self, output: object) -> None:
        super().__init__()
        self.output = output

    def forward(self, hidden: Tensor) -> object:
        return self.output


@pytest.mark.parametrize("output", [None, (), [torch.zeros(1)], {"hidden": torch.zeros(1)}])
def test_a_block_that_returns_something_else_is_refused(output: object) -> None:
    block = Returning(output)
    with Attachment([Site("block.0", block, 1, "residual")]) as attachment:
        assert block(torch.zeros(1)) is output
        with (
            attachment.using([torch.zeros_like]),
            pytest.raises(ModelError, match=r"block\.0: expected .* got"),
        ):
            block(torch.zeros(1))


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_a_network_is_left_exactly_as_it_was(name: str) -> None:
    network = tiny_networks.build(name)
    keys = list(network.state_dict())
    plain = tiny_networks.hidden(name, network)
    with Attachment(find_sites(network)) as attachment:
        assert torch.equal(tiny_networks.hidden(name, network), plain)
        with attachment.using(drawn(network)):
            assert not torch.allclose(tiny_networks.hidden(name, network), plain, atol=1e-3)
        assert torch.equal(tiny_networks.hidden(name, network), plain)
    assert torch.equal(tiny_networks.hidden(name, network), plain)
    assert not any(module._forward_hooks for module in network.modules())
    assert list(network.state_dict()) == keys


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_zero_up_is_the_identity_at_the_start(name: str) -> None:
    network = tiny_networks.build(name)
    sites = find_sites(network)
    plain = tiny_networks.hidden(name, network)
    adapters = AdapterSet(AdapterShape.at(sites, 4), "zero-up", torch.Generator())
    with Attachment(sites) as attachment, attachment.using(adapters):
        assert torch.equal(tiny_networks.hidden(name, network), plain)


@torch.no_grad()
def test_blocks_nest_and_an_error_ends_them() -> None:
    network = tiny_networks.build("vit")

    def found() -> Tensor:
        return tiny_networks.hidden("vit", network)

    def fail() -> Tensor:
        raise ZeroDivisionError

    outer, inner = drawn(network, seed=1), drawn(network, seed=2)
    plain = found()
    with Attachment(find_sites(network)) as attachment:
        with attachment.using(outer):
            first = found()
            with attachment.using(inner):
                assert not torch.equal(found(), first)
            assert torch.equal(found(), first)
            with pytest.raises(ZeroDivisionError), attachment.using(inner):
                fail()
            assert torch.equal(found(), first)
        assert torch.equal(found(), plain)


@pytest.mark.parametrize("count", [0, 1, 4])
def test_another_number_of_adapters_is_refused(count: int) -> None:
    deltas: list[Callable[[Tensor], Tensor]] = [torch.zeros_like] * count
    network = tiny_networks.build("vit")
    with (
        Attachment(find_sites(network)) as attachment,
        pytest.raises(ModelError, match=f"each of the 3 sites, got {count};"),
        attachment.using(deltas),
    ):
        pass


def test_nothing_is_used_once_the_hooks_are_gone() -> None:
    network = tiny_networks.build("vit")
    attachment = Attachment(find_sites(network))
    attachment.detach()
    attachment.detach()
    with (
        pytest.raises(ModelError, match="removed already"),
        attachment.using([torch.zeros_like] * 3),
    ):
        pass


def test_gradients_reach_the_adapters_in_use_alone() -> None:
    network = tiny_networks.build("bert")
    used, idle = drawn(network, seed=1), drawn(network, seed=2)
    with Attachment(find_sites(network)) as attachment:
        with attachment.using(idle), torch.no_grad():
            tiny_networks.hidden("bert", network)
        with attachment.using(used):
            output = tiny_networks.hidden("bert", network)
        output.square().sum().backward()
    assert all(parameter.grad.any() for parameter in used.parameters())
    assert all(parameter.grad is None for parameter in idle.parameters())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_the_global_generator_is_not_touched() -> None:
    network = tiny_networks.build("bert")
    before = torch.random.get_rng_state()
    adapters = AdapterSet(AdapterShape.at(find_sites(network), 3), "normal", torch.Generator())
    with Attachment(find_sites(network)) as attachment, attachment.using(adapters):
        tiny_networks.hidden("bert", network).sum().backward()
    assert torch.equal(before, torch.random.get_rng_state())


def gradients(
    network: nn.Module, name: str, adapters: list[AdapterSet], attachment: Attachment
) -> tuple[list[Tensor], list[Tensor]]:
    """Run one forward pass with each, then one backward pass, outside of all blocks."""
    outputs = []
    for used in adapters:
        used.zero_grad()
        with attachment.using(used):
            outputs.append(tiny_networks.hidden(name, network))
    weight = torch.linspace(-1, 1, outputs[0].numel()).reshape(outputs[0].shape)
    torch.stack([(output * weight).sum() for output in outputs]).sum().backward()
    found = [parameter.grad.clone() for used in adapters for parameter in used.parameters()]
    return outputs, found


@pytest.mark.parametrize("name", ["bert", "vilt"])
def test_gradient_checkpointing_gives_the_same(name: str) -> None:
    network = tiny_networks.build(name).train()
    adapters = [drawn(network, seed=1), drawn(network, seed=2)]
    calls = 0

    def counted(_module: nn.Module, _inputs: object) -> None:
        nonlocal calls
        calls += 1

    hook = network.encoder.layer[-1].intermediate.register_forward_pre_hook(counted)
    with Attachment(find_sites(network)) as attachment:
        plain = gradients(network, name, adapters, attachment)
        assert calls == 2
        network.activation_checkpointing_enable(
            {"use_reentrant": False, "context_fn": attachment.checkpoint_contexts}
        )
        checkpointed = gradients(network, name, adapters, attachment)
    assert calls == 6, "each block is computed a second time in the backward pass"
    hook.remove()
    for found, expected in zip(checkpointed[0] + checkpointed[1], plain[0] + plain[1], strict=True):
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def test_checkpointing_needs_no_contexts_where_backward_is_inside() -> None:
    network = tiny_networks.build("bert").train()
    used = drawn(network)
    with Attachment(find_sites(network)) as attachment:
        _, plain = gradients(network, "bert", [used], attachment)
        network.activation_checkpointing_enable({"use_reentrant": False})
        used.zero_grad()
        with attachment.using(used):
            output = tiny_networks.hidden("bert", network)
            weight = torch.linspace(-1, 1, output.numel()).reshape(output.shape)
            (output * weight).sum().backward()
    for parameter, expected in zip(used.parameters(), plain, strict=True):
        torch.testing.assert_close(parameter.grad, expected, atol=1e-6, rtol=1e-5)
