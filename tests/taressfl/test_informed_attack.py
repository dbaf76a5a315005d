"""Attacks with all that the server has: its images, its decoders, small networks, a linear map."""

from dataclasses import replace

import pytest
import torch
from tiny_taressfl import CPU, attack_settings, bars, nothing, pairs, plain_front
from torch import nn

from strategies.common.samples import Samples
from strategies.common.task import Task
from strategies.mocosfl.taressfl.verdict import Finding, Quality, Verdict
from taressfl import decoder, informed, small_networks
from taressfl import examination as examining
from taressfl.adversary import Adversary
from taressfl.examination import Exhibits, examine
from taressfl.image_shares import Images
from taressfl.informed import Evidence
from taressfl.intercept import Pairs, as_sent
from taressfl.linear_attack import Ridge
from taressfl.pretraining import Material
from tests.taressfl import tiny_taressfl

QUICK = attack_settings(epochs=1, small="dense_C8,conv_C4", informed_steps=4)


def test_a_linear_client_model_is_read_in_closed_form() -> None:
    generator = torch.Generator().manual_seed(0)
    latents = torch.rand(60, 2, 2, 2, generator=generator)
    weights = torch.rand(8, 25, generator=generator) / 8
    images = (latents.flatten(1) @ weights).view(-1, 1, 5, 5)
    learnt, kept = Pairs(latents[:40], images[:40]), Pairs(latents[40:], images[40:])

    ridge = Ridge(learnt, kept)

    # 40 equations for 8 unknowns and an offset, and the weakest penalty is the best.
    assert torch.allclose(ridge.reconstruct(kept.latents), kept.images, atol=1e-4)
    assert ridge.error < 1e-8


def test_few_images_are_met_in_the_form_that_is_as_large_as_they_are_many() -> None:
    known, kept = pairs(plain_front(), 40, seed=0), pairs(plain_front(), 8, seed=1)
    # Of 64 numbers, 40 images: the form by images. Twice the images again: that by numbers.
    double = Pairs(known.latents.repeat(2, 1, 1, 1), known.images.repeat(2, 1, 1, 1))

    first, second = Ridge(known, kept), Ridge(double, kept)

    assert first.error == pytest.approx(second.error, rel=0.05)


def test_a_client_model_is_read_by_the_images_that_the_server_holds_beside_the_known() -> None:
    """Two known images teach nothing, and yet the server has a hundred more."""
    front = plain_front()
    settings = attack_settings(decoders="res_N0C4", epochs=1, small="", informed_steps=1)
    few = Exhibits(bars(4, 2), bars(24, 3), bars(0), ())
    many = replace(few, others=bars(120, 4))

    spared = examine(front, few, as_sent, settings, 0, CPU, nothing).verdict
    judged = examine(front, many, as_sent, settings, 0, CPU, nothing).verdict

    assert spared.informed
    assert judged.worst.quality.mse < 0.5 * spared.worst.quality.mse
    assert not replace(judged, threshold=spared.worst.quality.mse / 2).resistant
    assert judged.worst.attacker.endswith("on 124 images")


def test_the_decoders_in_hand_start_from_what_they_have_learnt() -> None:
    front = plain_front()
    known, unseen = pairs(front, 64, seed=0), pairs(front, 16, seed=1)
    adversary = Adversary(
        tiny_taressfl.pretraining_settings(decoders=1, decoder_steps=10),
        (4, 4, 4),
        (1, 8, 8),
        0,
        CPU,
    )
    adversary.learn(known.latents, known.images)
    (trained,) = adversary.decoders
    level = known.latents.square().mean().sqrt()
    expected = trained(unseen.latents / level).detach()
    weights = [weight.clone() for weight in trained.parameters()]
    settings = attack_settings(small="", informed_steps=1, learning_rate=1e-9)

    evidence = Evidence(known, Pairs(known.latents[:0], known.images[:0]), (trained,))
    found = list(informed.attack(evidence, unseen, settings, 0, nothing))

    (own,) = (outcome for outcome in found if outcome.attacker.startswith("decoder 0 trained"))
    # Those kept aside change the level a little.
    assert torch.allclose(own.images, expected, atol=0.02)
    # What the server goes on with is not touched.
    assert all(map(torch.equal, weights, trained.parameters()))


def test_attackers_are_named_counted_and_repeatable() -> None:
    front = plain_front()
    known, others, unseen = (pairs(front, n, seed=n) for n in (6, 10, 5))
    hand = (decoder.build(decoder.parse("res_N0C4"), (4, 4, 4), (1, 8, 8), 0),)
    evidence, steps = Evidence(known, others, hand), []

    first = list(informed.attack(evidence, unseen, QUICK, 0, lambda: steps.append(1)))
    second = list(informed.attack(evidence, unseen, QUICK, 0, nothing))

    assert [outcome.attacker for outcome in first] == [
        "ridge regression on 16 images",
        "res_normN0C16 on 16 images",
        "dense_C8 on 16 images",
        "conv_C4 on 16 images",
        "decoder 0 trained against on 16 images",
        "mean of 4 networks on 16 images",
    ]
    assert [outcome.quality for outcome in first] == [outcome.quality for outcome in second]
    assert len(steps) == informed.turns(QUICK, 1) == 16
    mean = torch.stack([outcome.images for outcome in first[1:-1]]).mean(0)
    assert torch.allclose(first[-1].images, mean)


def test_what_chooses_the_look_is_of_the_known_kind_and_not_learnt_from() -> None:
    front = plain_front()
    known, others = pairs(front, 8, seed=0), pairs(front, 72, seed=1)

    learnt, kept = Evidence(known, others, ()).parted(0.1, seed=0)

    # A tenth of 80 would be all of the known ones; half of them is the most.
    assert (len(learnt), len(kept)) == (76, 4)
    for image in kept.images:
        assert any(torch.equal(image, one) for one in known.images)
    assert torch.equal(learnt.images[4:], others.images)


def test_every_image_is_held_once() -> None:
    images = bars(12)
    known = Samples(images[:4], torch.zeros(4, dtype=torch.int64))
    # Trained on and known is the same image, and an auxiliary one may come twice.
    material = Material(images[:6], torch.cat([images[3:12], images[11:]]))

    held = Images(material, known, known, torch.arange(6), Task.__new__(Task)).others

    expected = list(dict.fromkeys(image.numpy().tobytes() for image in images[4:]))
    seen = {image.numpy().tobytes() for image in images[:4]}
    assert [image.numpy().tobytes() for image in held] == [e for e in expected if e not in seen]


def test_latents_that_do_not_fit_are_drawn_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examining, "_MOST_NUMBERS", 64 * 20)  # 64 numbers a latent

    exhibits = Exhibits(bars(8, 2), bars(4, 3), bars(60, 4), ())
    verdict = examine(plain_front(), exhibits, as_sent, QUICK, 0, CPU, nothing).verdict

    assert "ridge regression on 20 images" in [f.attacker for f in verdict.findings]


@pytest.mark.parametrize("name", ["conv_C4", "dense_C6"])
@pytest.mark.parametrize(("latent", "image"), [((4, 4, 4), (1, 8, 8)), ((2, 3, 5), (3, 6, 9))])
def test_small_networks_fit_latents_and_images(
    name: str, latent: tuple[int, int, int], image: tuple[int, int, int]
) -> None:
    network: nn.Module = small_networks.build(name, latent, image, 0)

    found = network(torch.randn(2, *latent))

    assert found.shape == (2, *image)
    assert 0 <= float(found.detach().min()) < float(found.detach().max()) <= 1


def test_a_verdict_of_attackers_that_knew_less_says_so() -> None:
    finding = Finding("a", Quality(0.03, 0.5, 15.0))
    old = Verdict((finding,), Quality(0.06, 0.1, 12.0), 0.02)

    assert old.describe().startswith("resistant to attackers that knew less than the server does")
    assert replace(old, informed=True).describe().startswith("resistant: ")
