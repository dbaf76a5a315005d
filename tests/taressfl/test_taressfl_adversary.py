"""The adversary: it learns to read, pushes only above the hinge, and is renewed in turn."""

import pytest
import torch
from tiny_taressfl import CPU, Value, pairs, plain_front, pretraining_settings
from torch import Tensor

from taressfl.adversary import Adversary
from taressfl.settings import PretrainingSettings
from taressfl.ssim import ssim

LATENT, IMAGE = (4, 4, 4), (1, 8, 8)


def adversary(**changes: Value) -> Adversary:
    settings: PretrainingSettings = pretraining_settings(**changes)
    return Adversary(settings, LATENT, IMAGE, seed=0, device=CPU)


def sample(count: int = 16) -> tuple[Tensor, Tensor]:
    found = pairs(plain_front(), count, seed=0)
    return found.latents, found.images


@pytest.mark.thorough
def test_it_learns_to_read_a_client_model_that_stands_still() -> None:
    latents, images = sample()
    reader = adversary(decoder_learning_rate=0.01, decoder_steps=5)
    before, _ = reader.push(latents, images)
    for _ in range(10):
        reader.learn(latents, images)
    after, _ = reader.push(latents, images)

    assert before < 0.3
    assert after > before + 0.2


def test_below_the_hinge_nothing_is_asked() -> None:
    latents, images = sample()
    reader = adversary(ssim_target=0.9)

    similarity, push = reader.push(latents, images)

    assert similarity < 0.9
    assert push is None


def test_above_the_hinge_the_push_lowers_the_similarity_in_proportion_to_its_weight() -> None:
    latents, images = sample()
    single, double = (
        adversary(ssim_target=-1.0, ssim_weight=weight, decoder_lifetime=0) for weight in (1.0, 2.0)
    )

    similarity, push = single.push(latents, images)
    _, twice = double.push(latents, images)

    assert push is not None
    assert twice is not None
    assert torch.allclose(twice, 2 * push, rtol=1e-5, atol=1e-9)
    moved, _ = single.push(latents - 0.05 * push / push.norm() * latents.norm(), images)
    assert moved < similarity


def test_the_push_is_the_gradient_of_the_best_decoders_similarity() -> None:
    latents, images = sample(4)
    reader = adversary(ssim_target=-1.0, ssim_weight=3.0, decoders=3)
    level = latents.square().mean().sqrt()
    leaf = latents.clone().requires_grad_()
    means = [ssim(network(leaf / level), images).mean() for network in reader._decoders]
    best = torch.stack(means).max()
    (expected,) = torch.autograd.grad(3 * best, [leaf])

    similarity, push = reader.push(latents, images)

    assert similarity == pytest.approx(best.item(), abs=1e-6)
    assert push is not None
    assert torch.allclose(push, expected, atol=1e-8)


def test_latents_do_not_hide_by_being_tiny() -> None:
    latents, images = sample()
    reader = adversary(ssim_target=-1.0)
    reader.learn(latents, images)

    assert reader.push(1e-3 * latents, images)[0] == pytest.approx(
        reader.push(latents, images)[0], abs=1e-4
    )


def test_decoders_are_renewed_in_turn_and_one_is_always_old() -> None:
    latents, images = sample(2)
    reader = adversary(decoders=2, decoder_steps=1, decoder_lifetime=4)
    ages = []
    born = [id(network) for network in reader._decoders]
    kept = list(reader._decoders)  # so that no new one takes an old one's place in memory
    for _ in range(12):
        reader.learn(latents, images)
        now = [id(network) for network in reader._decoders]
        kept += reader._decoders
        ages.append([old != new for old, new in zip(born, now, strict=True)])
        born = now

    renewed = [[step for step, pair in enumerate(ages) if pair[place]] for place in range(2)]
    assert renewed == [[4, 8], [2, 6, 10]]


def test_without_a_lifetime_decoders_stay() -> None:
    latents, images = sample(2)
    reader = adversary(decoder_lifetime=0)
    before = list(reader._decoders)
    for _ in range(5):
        reader.learn(latents, images)

    assert reader._decoders == before


def test_nothing_goes_back_to_the_latents_while_decoders_learn() -> None:
    latents, images = sample(4)
    latents = latents.clone().requires_grad_()

    adversary().learn(latents, images)

    assert latents.grad is None
