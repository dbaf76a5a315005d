"""Fresh attackers, the refinement of what they found, and the gate that they make."""

import math
from dataclasses import replace

import pytest
import torch
from tiny_taressfl import attack_settings, nothing, pairs, plain_front
from torch import nn

from strategies.common import seeds
from strategies.common.errors import DataError, SettingsError
from strategies.common.run_config import read_table
from strategies.mocosfl.taressfl.verdict import Finding, Quality, Verdict
from taressfl.attack import Outcome, attack, train_attacker
from taressfl.decoder import parse
from taressfl.gate import judge, side_by_side
from taressfl.intercept import Pairs
from taressfl.quality import measure
from taressfl.refinement import refine
from taressfl.settings import AttackSettings

SMALL = parse("res_normN0C16")


class Silent(nn.Module):
    """A client model whose latents say nothing."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(inputs), 4, 4, 4)


def test_quality_by_hand() -> None:
    # Errors of 0.1 and 0.2 everywhere: MSE 0.01 and 0.04, PSNR 20 and 13.979 dB.
    images = torch.full((2, 1, 8, 8), 0.5)
    found = images + torch.tensor([0.1, 0.2]).view(2, 1, 1, 1)

    quality = measure(found, images)

    assert quality.mse == pytest.approx(0.025, abs=1e-6)
    assert quality.psnr == pytest.approx((20 - 10 * math.log10(0.04)) / 2, abs=1e-3)
    assert measure(images, images).psnr == pytest.approx(100)
    assert measure(images, images).ssim == pytest.approx(1, abs=1e-5)


@pytest.fixture(scope="module")
def undefended() -> tuple[Pairs, Pairs, Outcome]:
    """Return what is known and unseen of an undefended client model, and what an attack finds."""
    front = plain_front()
    known, unseen = pairs(front, 96, seed=0), pairs(front, 32, seed=1)
    (outcome,) = attack(known, unseen, attack_settings(), 0, nothing)
    return known, unseen, outcome


def test_an_undefended_client_model_is_read(undefended: tuple[Pairs, Pairs, Outcome]) -> None:
    known, unseen, outcome = undefended
    verdict = judge([outcome], known, unseen, threshold=0.02)

    assert outcome.attacker == "res_normN0C16 seed 0"
    assert outcome.images.shape == unseen.images.shape
    assert outcome.quality.mse < 0.02 < verdict.blind.mse
    assert not verdict.resistant


def test_nothing_can_be_read_from_latents_that_say_nothing() -> None:
    known, unseen = pairs(Silent(), 64, seed=0), pairs(Silent(), 32, seed=1)

    (outcome,) = attack(known, unseen, attack_settings(epochs=6), 0, nothing)
    verdict = judge([outcome], known, unseen, threshold=0.02)

    # No better than one guess for all, up to what the attacker's luck gives.
    assert outcome.quality.mse > 0.9 * verdict.blind.mse
    assert verdict.resistant


@pytest.mark.thorough
def test_tiny_latents_do_not_hide_an_image(undefended: tuple[Pairs, Pairs, Outcome]) -> None:
    known, unseen, plain = undefended

    def small(pairs: Pairs) -> Pairs:
        return replace(pairs, latents=1e-4 * pairs.latents - 7)

    (scaled,) = attack(small(known), small(unseen), attack_settings(), 0, nothing)

    assert scaled.quality.mse == pytest.approx(plain.quality.mse, rel=0.2)


def test_attackers_differ_by_capacity_and_seed_and_are_repeatable() -> None:
    front = plain_front()
    known, unseen = pairs(front, 16, seed=0), pairs(front, 8, seed=1)
    settings = attack_settings(decoders="res_normN0C8,res_N1C8", repetitions=2, epochs=1)

    first = list(attack(known, unseen, settings, 0, nothing))
    second = list(attack(known, unseen, settings, 0, nothing))
    other = list(attack(known, unseen, settings, 1, nothing))

    assert [outcome.attacker for outcome in first] == [
        "res_normN0C8 seed 0",
        "res_normN0C8 seed 1",
        "res_N1C8 seed 0",
        "res_N1C8 seed 1",
    ]
    assert [outcome.quality for outcome in first] == [outcome.quality for outcome in second]
    assert len({outcome.quality.mse for outcome in first + other}) == 8


@pytest.mark.thorough
def test_the_best_epoch_is_kept() -> None:
    known = pairs(plain_front(), 40, seed=0)
    kept = torch.randperm(40, generator=seeds.generator(3, "attack-split"))[:20]
    # With a step size that throws it about, many an epoch is worse than one before.
    errors = []
    for epochs in (17, 19, 23):
        settings = attack_settings(epochs=epochs, learning_rate=0.02, validation=0.5)
        attacker = train_attacker(known, SMALL, settings, 3, nothing)
        errors.append(
            float((attacker.reconstruct(known.latents) - known.images)[kept].square().mean())
        )
        assert not attacker.training

    assert errors == sorted(errors, reverse=True)
    assert len(set(errors)) < len(errors)


def test_two_images_must_be_known() -> None:
    front = plain_front()
    with pytest.raises(DataError, match="expected at least 2 known images, got 1"):
        list(attack(pairs(front, 1, 0), pairs(front, 2, 1), attack_settings(), 0, nothing))


def test_a_refined_reconstruction_is_closer_where_the_latent_says_much() -> None:
    front = plain_front()
    known, unseen = pairs(front, 64, seed=0), pairs(front, 16, seed=1)
    (start,) = attack(known, unseen, attack_settings(epochs=4), 0, nothing)
    steps = []
    weights = [weight.clone() for weight in front.parameters()]

    found = refine(front, unseen, start, 80, lambda: steps.append(1))

    assert found.quality.mse < 0.9 * start.quality.mse
    assert found.attacker == "res_normN0C16 seed 0, refined"
    assert len(steps) == 80
    assert all(map(torch.equal, weights, front.parameters()))
    assert all(weight.grad is None for weight in front.parameters())


def test_images_are_refined_each_on_its_own() -> None:
    front = plain_front()
    unseen = pairs(front, 6, seed=1)
    start = Outcome("guess", Quality(0.0, 0.0, 0.0), torch.full_like(unseen.images, 0.3))
    # Whatever its neighbours are: the level of the latents alone is common to all.
    double = Pairs(unseen.latents.repeat(2, 1, 1, 1), unseen.images.repeat(2, 1, 1, 1))
    twice = Outcome("guess", start.quality, start.images.repeat(2, 1, 1, 1))

    alone = refine(front, unseen, start, 10, nothing)
    together = refine(front, double, twice, 10, nothing)

    assert torch.allclose(alone.images.repeat(2, 1, 1, 1), together.images, atol=1e-4)


def _verdict(*errors: float, blind: float = 0.06, informed: bool = True) -> Verdict:
    findings = (Finding(f"a{n}", Quality(mse, 1 - mse, 10.0)) for n, mse in enumerate(errors))
    return Verdict(tuple(findings), Quality(blind, 0.1, 10.0), 0.02, informed)


def test_one_attacker_that_reads_is_enough() -> None:
    verdict = _verdict(0.05, 0.008, 0.04)

    assert verdict.worst.attacker == "a1"
    assert verdict.highest_ssim == pytest.approx(0.992)
    assert not verdict.resistant
    assert verdict.describe().startswith(
        "not resistant: the best of 3 attackers with all that the server has (a1)"
    )


def test_resistant_is_above_the_threshold() -> None:
    assert _verdict(0.021, 0.03).resistant
    assert not _verdict(0.020, 0.03).resistant
    assert _verdict(0.021).describe().startswith("resistant: ")


def test_images_that_can_be_guessed_prove_nothing() -> None:
    verdict = _verdict(0.03, blind=0.015)

    assert not verdict.resistant
    assert "the threshold must lie below the blind guess" in verdict.describe()


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_pictures_show_the_image_and_what_was_read(channels: int) -> None:
    images = torch.zeros(3, channels, 8, 6)
    found = Outcome("a", Quality(1.0, 0.0, 0.0), torch.ones_like(images))

    pictures = side_by_side(Pairs(torch.zeros(3, 1), images), found, 2)

    assert [picture.name for picture in pictures] == ["inversion-0", "inversion-1"]
    for picture in pictures:
        assert (picture.pixels.shape, picture.pixels.dtype) == ((3, 8, 14), torch.uint8)
        assert picture.pixels[:, :, :6].eq(0).all()
        assert picture.pixels[:, :, 6:8].eq(128).all()
        assert picture.pixels[:, :, 8:].eq(255).all()


def test_settings_out_of_range_are_refused() -> None:
    good = {f"attack.{k.replace('_', '-')}": v for k, v in attack_settings().model_dump().items()}

    assert read_table(good, "attack", AttackSettings) == attack_settings()
    for key, value in {
        "attack.validation": 1.0,
        "attack.repetitions": 0,
        "attack.decoders": "res_normN4C64;",
        "attack.threshold": 0.0,
    }.items():
        with pytest.raises(SettingsError, match=f"setting {key}"):
            read_table({**good, key: value}, "attack", AttackSettings)
