import copy
import sys

import pytest
import torch
from lora_examples import random_factors, toy_backbone
from torch import nn

from strategies.common.errors import ModelError
from strategies.common.seeds import seeded
from strategies.fedlora import lora, lora_aggregation
from strategies.fedlora.lora_factors import LoraFactors
from strategies.fedlora.lora_shape import LoraShape, LoraTarget

INPUTS = torch.linspace(-1, 1, 20).reshape(4, 5)


def toy_outputs(model):
    return model(INPUTS)


def vilt():
    from transformers import ViltConfig, ViltModel

    config = ViltConfig(
        vocab_size=10,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=8,
        patch_size=4,
        max_position_embeddings=6,
    )
    with seeded(3):
        return ViltModel(config).eval().requires_grad_(False)


def vilt_outputs(model):
    pixels = torch.linspace(-1, 1, 2 * 3 * 8 * 8).reshape(2, 3, 8, 8)
    with seeded(0):
        return model(input_ids=torch.tensor([[2, 5, 3], [2, 7, 3]]), pixel_values=pixels)[0]


BACKBONES = pytest.mark.parametrize(
    ("build", "outputs"), [(toy_backbone, toy_outputs), (vilt, vilt_outputs)]
)


def snapshot(model):
    """Everything that a later client could notice, identities included."""
    modules = [
        (name, id(module), module.training, sorted(vars(module)), list(module._modules))
        for name, module in model.named_modules()
    ]
    hooks = [len(module._forward_hooks) for module in model.modules()]
    parameters = [
        (name, id(value), value.requires_grad, value.grad, value.clone())
        for name, value in model.named_parameters()
    ]
    return modules, hooks, parameters


def assert_same(before, after):
    assert before[:2] == after[:2]
    for old, new in zip(before[2], after[2], strict=True):
        assert old[:4] == new[:4]
        assert torch.equal(old[4], new[4])


def with_dense_update(model, *updates):
    """A copy of the model with W + B A written into its weights."""
    dense = copy.deepcopy(model)
    for factors in updates:
        for target, product in zip(factors.shape.targets, factors.products(), strict=True):
            dense.get_submodule(target.name).weight.data += product
    return dense


def test_query_and_value_are_found_with_their_widths_in_order():
    assert lora.lora_shape(toy_backbone()) == LoraShape(
        (
            LoraTarget("0.query", 5, 5),
            LoraTarget("0.value", 5, 2),
            LoraTarget("1.query", 2, 2),
            LoraTarget("1.value", 2, 2),
        )
    )


def test_query_and_value_are_found_in_vilt_clip_and_blip():
    from transformers import BlipConfig, BlipForQuestionAnswering, CLIPConfig, CLIPModel

    ends = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "sep_token_id": 3}
    text = {
        "vocab_size": 10,
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        **ends,
    }
    image = {
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 8,
        "image_size": 8,
        "patch_size": 4,
    }
    blip_text = {**text, "encoder_hidden_size": 8}
    # Names and widths alone are looked at, so no weight is drawn.
    with torch.device("meta"):
        clip = CLIPModel(CLIPConfig(text_config=text, vision_config=image, projection_dim=8))
        blip = BlipForQuestionAnswering(BlipConfig(text_config=blip_text, vision_config=image))

    def found(model):
        targets = lora.lora_shape(model).targets
        return {(t.name, t.in_features, t.out_features) for t in targets}

    assert found(vilt()) == {
        (f"encoder.layer.{i}.attention.attention.{part}", 16, 16)
        for i in range(2)
        for part in ("query", "value")
    }
    assert found(clip) == {
        (f"{side}_model.encoder.layers.0.self_attn.{part}_proj", width, width)
        for side, width in (("text", 16), ("vision", 8))
        for part in ("q", "v")
    }
    sides = [("text_encoder", "attention", 16), ("text_encoder", "crossattention", 8)]
    sides += [("text_decoder.bert", "attention", 16), ("text_decoder.bert", "crossattention", 8)]
    names = {(f"{side}.encoder.layer.0.{kind}.self.query", 16, 16) for side, kind, _ in sides} | {
        (f"{side}.encoder.layer.0.{kind}.self.value", width, 16) for side, kind, width in sides
    }
    assert found(blip) == names | {("vision_model.encoder.layers.0.self_attn.qkv", 8, 24)}


def test_no_layer_of_such_a_name_is_refused_with_those_there_are():
    with pytest.raises(ModelError, match=r"named q, w, got key, query, value; name the layers"):
        lora.lora_shape(toy_backbone(), ["q", "w"])
    with pytest.raises(ModelError, match="got no linear layer"):
        lora.lora_shape(nn.Conv2d(1, 1, 1))


@BACKBONES
def test_outputs_equal_those_of_a_dense_weight_update(build, outputs):
    model = build()
    shape = lora.lora_shape(model)
    # Ranks beyond the width of a layer included.
    own, accumulated = random_factors(shape, 2, 0), random_factors(shape, 7, 1)
    plain = outputs(model)
    with lora.attached(model, own):
        alone = outputs(model)
    with lora.attached(model, own, accumulated):
        both = outputs(model)
    assert torch.allclose(alone, outputs(with_dense_update(model, own)), atol=1e-6)
    assert torch.allclose(both, outputs(with_dense_update(model, own, accumulated)), atol=1e-6)
    assert not torch.allclose(alone, plain, atol=1e-3)
    assert not torch.allclose(alone, both, atol=1e-3)


@BACKBONES
def test_the_backbone_is_left_exactly_as_it_was(build, outputs):
    model = build()
    shape = lora.lora_shape(model)
    before, plain, random_state = snapshot(model), outputs(model), torch.get_rng_state()
    for accumulated in (None, random_factors(shape, 3, 1)):
        with lora.attached(model, random_factors(shape, 2, 0), accumulated) as attached:
            optimizer = torch.optim.SGD(attached.parameters(), lr=0.1)
            outputs(model).sum().backward()
            optimizer.step()
        assert_same(before, snapshot(model))
        assert not hasattr(model, "peft_config")
        assert torch.equal(outputs(model), plain)
    assert torch.equal(torch.get_rng_state(), random_state)


def test_the_backbone_is_left_as_it_was_after_an_error_inside():
    model = toy_backbone()
    before = snapshot(model)
    own = random_factors(lora.lora_shape(model), 2, 0)
    with pytest.raises(RuntimeError, match="inside"), lora.attached(model, own):
        raise RuntimeError("inside")
    assert_same(before, snapshot(model))


def test_the_backbone_is_left_as_it_was_after_an_error_in_peft(monkeypatch):
    from peft.tuners.lora import LoraModel

    model = toy_backbone()
    before = snapshot(model)
    shape = lora.lora_shape(model)

    def fail(*_):
        raise RuntimeError("half way")

    monkeypatch.setattr(LoraModel, "set_requires_grad", fail)
    context = lora.attached(model, random_factors(shape, 2, 0), random_factors(shape, 2, 1))
    with pytest.raises(RuntimeError, match="half way"), context:
        pass
    assert_same(before, snapshot(model))
    assert not hasattr(model, "peft_config")


def test_gradients_that_a_model_had_come_back():
    model = toy_backbone()
    model[0].key.weight.requires_grad_(True)
    before = snapshot(model)
    with lora.attached(model, random_factors(lora.lora_shape(model), 2, 0)) as attached:
        own = {id(parameter) for parameter in attached.parameters()}
        assert {id(p) for p in model.parameters() if p.requires_grad} == own
    assert_same(before, snapshot(model))


@BACKBONES
def test_gradients_reach_the_clients_own_factors_alone(build, outputs):
    model = build()
    shape = lora.lora_shape(model)
    accumulated = random_factors(shape, 3, 1)
    with lora.attached(model, random_factors(shape, 2, 0), accumulated) as attached:
        own = {id(parameter) for parameter in attached.parameters()}
        assert len(own) == 2 * len(shape.targets)
        outputs(model).square().sum().backward()
        for name, parameter in model.named_parameters():
            assert parameter.requires_grad == (id(parameter) in own), name
            assert (parameter.grad is not None) == (id(parameter) in own), name
        assert all(parameter.grad.any() for parameter in attached.parameters())


def test_layers_follow_the_mode_of_those_they_replace():
    model = toy_backbone()
    with lora.attached(model, random_factors(lora.lora_shape(model), 2, 0)):
        assert not any(module.training for module in model.modules())


def test_the_usual_start_leaves_outputs_bitwise_equal():
    model = toy_backbone()
    plain = toy_outputs(model)
    generator = torch.Generator().manual_seed(0)
    with lora.attached(model, LoraFactors.initial(lora.lora_shape(model), 2, generator)):
        assert torch.equal(toy_outputs(model), plain)


def test_factors_are_read_as_they_are():
    model = toy_backbone()
    shape = lora.lora_shape(model)
    first = random_factors(shape, 3, 0)
    with lora.attached(model, first, random_factors(shape, 4, 2)) as attached:
        found = attached.factors()
        assert torch.equal(found.rows(), first.rows())
        trained = attached.parameters()
        with torch.no_grad():
            trained[0][0, 0] = torch.nan
        # A copy: what was read before does not follow.
        assert torch.equal(found.rows(), first.rows())
        with pytest.raises(ModelError, match=r"0\.query\.lora_A\.weight: expected finite"):
            attached.factors()


def test_factors_of_another_model_are_refused():
    model = toy_backbone()
    shape = lora.lora_shape(model)
    other = lora.lora_shape(model, ["key"])
    cases = [
        (LoraShape((LoraTarget("0.query", 5, 4),)), r"0.query: expected .* 5 to 4, got \(5, 5\)"),
        (LoraShape((LoraTarget("0.dropout", 5, 5),)), "0.dropout: .* got Dropout"),
        (LoraShape((LoraTarget("2.query", 5, 5),)), "2.query: .* got NoneType"),
    ]
    for wrong, message in cases:
        with (
            pytest.raises(ModelError, match=message),
            lora.attached(model, random_factors(wrong, 1, 0)),
        ):
            pass
    context = lora.attached(model, random_factors(shape, 2, 0), random_factors(other, 2, 0))
    with pytest.raises(ModelError, match="expected an accumulated update"), context:
        pass


def test_a_second_attachment_at_once_is_refused_and_harms_nothing():
    model = toy_backbone()
    before = snapshot(model)
    own = random_factors(lora.lora_shape(model), 2, 0)
    with lora.attached(model, own):
        outputs = toy_outputs(model)
        with (
            pytest.raises(ModelError, match="close what is attached first"),
            lora.attached(model, own),
        ):
            pass
        assert torch.equal(toy_outputs(model), outputs)
    assert_same(before, snapshot(model))


def test_a_layer_whose_name_ends_anothers_keeps_its_own_rank():
    inner = nn.ModuleDict({"query": nn.Linear(6, 6)})
    model = nn.ModuleDict({"query": nn.Linear(2, 2), "inner": inner}).requires_grad_(False)
    own = random_factors(lora.lora_shape(model), 4, 0)
    with lora.attached(model, own) as attached:
        assert [tuple(p.shape) for p in attached.parameters()] == [(2, 2), (2, 2), (4, 6), (6, 4)]
        assert torch.equal(attached.factors().rows(), own.rows())


def test_a_missing_peft_names_the_extra(monkeypatch):
    model = toy_backbone()
    own = random_factors(lora.lora_shape(model), 2, 0)
    monkeypatch.setitem(sys.modules, "peft.tuners.lora", None)
    with (
        pytest.raises(ModelError, match=r"peft to be installed; .* feddat extra"),
        lora.attached(model, own),
    ):
        pass


def test_aggregates_agree_with_those_of_peft():
    from peft import LoraConfig
    from peft.tuners.lora import LoraModel

    model = toy_backbone()
    shape = lora.lora_shape(model)
    clients = {f"client{seed}": random_factors(shape, 2, seed) for seed in range(3)}
    weights = [0.2, 0.3, 0.5]
    # In peft every layer has the same rank; here two layers are too narrow for more than 2.
    config = {"r": 2, "lora_alpha": 2, "target_modules": ["query", "value"]}
    tuner = LoraModel(model, {"client0": LoraConfig(**config)}, "client0")
    for name in ("client1", "client2"):
        tuner.peft_config[name] = LoraConfig(**config)
        tuner.inject_adapter(model, name)
    for name, factors in clients.items():
        for target, down, up in zip(shape.targets, factors.down, factors.up, strict=True):
            layer = model.get_submodule(target.name)
            layer.lora_A[name].weight.data.copy_(down)
            layer.lora_B[name].weight.data.copy_(up)
    tuner.add_weighted_adapter(list(clients), weights, "cat", combination_type="cat")
    tuner.add_weighted_adapter(list(clients), weights, "svd", combination_type="svd", svd_rank=1)
    factors = list(clients.values())
    found = {
        "cat": lora_aggregation.stack(factors, weights).products(),
        "svd": lora_aggregation.svd(factors, weights, 1).products(),
    }
    for name, products in found.items():
        for target, product in zip(shape.targets, products, strict=True):
            theirs = model.get_submodule(target.name).get_delta_weight(name)
            assert torch.allclose(product, theirs, atol=1e-5), (name, target.name)
