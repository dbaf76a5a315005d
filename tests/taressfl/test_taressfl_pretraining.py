"""Pretraining against decoders, and the examination that follows."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from tiny_taressfl import (
    CPU,
    Value,
    attack_settings,
    bars,
    nothing,
    plain_front,
    pretraining_settings,
)
from torch import Tensor, nn

from strategies.common.errors import DataError, ModelError
from strategies.common.samples import prepare
from strategies.common.split.augment import Augmentation
from strategies.common.split.engine import Engine
from strategies.common.split.plan import TrainingPlan
from strategies.common.split.wire.frames import Survey
from taressfl.examination import Exhibits, examine, turns
from taressfl.intercept import as_sent
from taressfl.pretraining import Material, Pretraining

WHOLE = Augmentation("mocov1", 1.0, flip=False)
NONE = torch.zeros(0, 1, 8, 8, dtype=torch.uint8)
EMA = 0.9


class Recorder(Engine):
    """An engine that returns one gradient and remembers what it was shown."""

    def __init__(self, gradient: float) -> None:
        self.gradient = gradient
        self.shown: list[tuple[Tensor, Tensor]] = []
        self.finished: list[int] = []

    def advance(
        self, step: int, cohort: int, arrived: Mapping[int, tuple[Tensor, ...]]
    ) -> Mapping[int, Tensor]:
        query, key = arrived[0]
        assert (cohort, step) == (0, len(self.shown) + 1)
        self.shown.append((query.clone(), key.clone()))
        return {0: torch.full_like(query, self.gradient)}

    def finish(self, step: int) -> None:
        self.finished.append(step)

    def survey(self, survey: Survey) -> None:
        raise AssertionError("no survey in a pretraining")

    def forget(self, clients: Collection[int]) -> None:
        raise AssertionError("no survey in a pretraining")


class Silence(Engine):
    """An engine that asks for nothing."""

    def advance(
        self, step: int, cohort: int, arrived: Mapping[int, tuple[Tensor, ...]]
    ) -> Mapping[int, Tensor]:
        return {0: torch.zeros_like(arrived[0][0])}

    def finish(self, step: int) -> None:
        pass

    def survey(self, survey: Survey) -> None:
        raise AssertionError("no survey in a pretraining")

    def forget(self, clients: Collection[int]) -> None:
        raise AssertionError("no survey in a pretraining")


def pretraining(
    material: Material, front: nn.Module | None = None, **changes: Value
) -> Pretraining:
    return Pretraining(
        front or plain_front(),
        material,
        pretraining_settings(**changes),
        WHOLE,
        ema=EMA,
        warmup_steps=0,
        seed=0,
        device=CPU,
    )


def test_one_step_by_hand() -> None:
    # One image, shown whole, again and again; jitter is the only thing that differs.
    front, image = plain_front(), torch.full((1, 1, 8, 8), 255, dtype=torch.uint8)
    before = [weight.detach().clone() for weight in front.parameters()]
    engine = Recorder(0.01)

    pretraining(
        Material(NONE, image), front, batch=2, epochs=1, ssim_weight=0.0, momentum=0.0
    ).epoch(1, engine, nothing)

    # The query is that of the weights before the step. SGD moves them by the learning rate
    # times the gradient of sum(0.01 * latents).
    query = engine.shown[0][0]
    assert query.shape == (2, 4, 4, 4)
    start = plain_front()
    for weight, value in zip(start.parameters(), before, strict=True):
        assert torch.equal(weight, value)
    assert engine.finished == [1]
    bias = list(front.parameters())[-1]
    # Every latent's 16 positions of 2 images add to a channel's bias.
    assert torch.allclose(bias, before[-1] - 0.03 * 0.01 * 32, atol=1e-7)


def test_the_step_size_warms_up_and_falls_by_epochs() -> None:
    front, image = plain_front(), torch.full((1, 1, 8, 8), 255, dtype=torch.uint8)
    run = Pretraining(
        front,
        Material(NONE, image),
        pretraining_settings(batch=2, epochs=2, ssim_weight=0.0, momentum=0.0),
        WHOLE,
        ema=EMA,
        warmup_steps=4,
        seed=0,
        device=CPU,
    )
    bias = list(front.parameters())[-1]
    engine, seen = Recorder(0.01), [bias.detach().clone()]

    for number in (1, 2):
        run.epoch(number, engine, lambda: seen.append(bias.detach().clone()))

    # One step an epoch: a quarter of 0.03 at first, then half of 0.03 (1 + cos 90) / 2.
    moves = [float((old - new)[0]) for old, new in pairwise(seen)]
    assert moves == pytest.approx([0.03 / 4 * 0.32, 0.015 / 2 * 0.32], rel=1e-3)


def test_the_momentum_copy_follows_before_the_key_is_computed() -> None:
    engine, front = Recorder(0.1), plain_front()
    run = pretraining(Material(NONE, bars(8)), front, epochs=1, batch=4, ssim_weight=0.0)
    seen = [[weight.detach().clone() for weight in front.parameters()]]

    run.epoch(
        1,
        engine,
        lambda: seen.append([weight.detach().clone() for weight in front.parameters()]),
    )

    # Two steps. In the first the copy is what it follows; in the second it goes a tenth of
    # the way to where the first had moved the client model, and not yet after the second.
    start, first, second = seen
    assert run.steps_per_epoch == 2
    for copy, old, now in zip(run.momentum.parameters(), start, first, strict=True):
        assert torch.allclose(copy, old + 0.1 * (now - old), atol=1e-7)
    assert not all(map(torch.equal, first, second))


def test_target_images_come_first_and_are_shown_again_and_again() -> None:
    dark, bright = torch.zeros(2, 1, 8, 8), torch.full((12, 1, 8, 8), 255.0)
    material = Material(dark.to(torch.uint8), bright.to(torch.uint8))
    engine = Recorder(0.0)
    front = nn.Conv2d(1, 4, 8)  # (n, 4, 1, 1)
    with torch.no_grad():
        front.weight.fill_(1 / 64)
        front.bias.zero_()  # type: ignore[union-attr]

    run = pretraining(material, front, batch=4, epochs=1, ssim_weight=0.0)
    run.epoch(1, engine, nothing)

    assert run.plan(2) == TrainingPlan(first_step=4, steps=3, batch=8, cohorts=((0,),))
    assert len(engine.shown) == 3
    for query, _ in engine.shown:
        assert bool((query[:4] < -0.9).all())
        assert bool((query[4:] > 0).all())


def test_views_are_of_the_same_images_and_differ() -> None:
    engine = Recorder(0.0)
    run = pretraining(Material(NONE, bars(8)), epochs=1, ssim_weight=0.0)
    run.epoch(1, engine, nothing)
    ((query, key),) = engine.shown

    own = (query - key).flatten(1).norm(dim=1)
    assert bool((own > 0).any())
    assert own.mean() < (query - key.roll(1, 0)).flatten(1).norm(dim=1).mean()


def test_the_push_is_added_only_above_the_hinge() -> None:
    def trained(target: float) -> tuple[list[Tensor], float]:
        front, material = plain_front(), Material(NONE, bars(16))
        run = pretraining(material, front, ssim_target=target, epochs=1)
        return list(front.parameters()), run.epoch(1, Recorder(0.0), nothing).pushed

    still, none = trained(1.0)
    moved, all_steps = trained(-1.0)

    # The engine asks for nothing, so that whatever moves was pushed.
    assert (none, all_steps) == (0.0, 1.0)
    assert all(map(torch.equal, still, plain_front().parameters()))
    assert not any(map(torch.equal, moved, plain_front().parameters()))


def test_training_that_diverges_is_refused() -> None:
    run = pretraining(Material(NONE, bars(8)), ssim_weight=0.0)
    with pytest.raises(ModelError, match="pretraining diverged in step 1"):
        run.epoch(1, Recorder(float("nan")), nothing)


def test_images_must_fit() -> None:
    with pytest.raises(DataError, match="expected auxiliary images, got none"):
        pretraining(Material(bars(2), NONE))
    with pytest.raises(DataError, match=r"one shape, got \(3, 8, 8\) torch.uint8 and \(1, 8, 8\)"):
        pretraining(Material(bars(2).repeat(1, 3, 1, 1), bars(2)))


@pytest.mark.thorough
def test_a_low_similarity_in_training_opens_no_gate() -> None:
    # A strong push keeps the client model on the move, and the decoders behind it.
    front, epochs = plain_front(), 8
    run = pretraining(
        Material(NONE, bars(64)),
        front,
        epochs=epochs,
        batch=16,
        ssim_target=0.1,
        ssim_weight=3.0,
        decoder_learning_rate=0.01,
    )
    trained = [run.epoch(number, Silence(), nothing) for number in range(1, epochs + 1)]
    turned: list[int] = []
    attackers = attack_settings(refinement_steps=30)
    exhibits = Exhibits(bars(96, 2), bars(24, 3), bars(64), run.decoders)

    found = examine(front, exhibits, as_sent, attackers, 0, CPU, lambda: turned.append(1))

    assert trained[-1].mean < 0.35
    assert not found.verdict.resistant
    assert found.verdict.highest_ssim > 0.8
    # 12 epochs, 10 steps of two fresh networks and of two decoders in hand, and 30 to refine.
    assert len(turned) == turns(attackers, 2) == 12 + 4 * 10 + 30
    assert len(found.pictures) == 8


def test_normalised_images_reach_the_client_model() -> None:
    engine = Recorder(0.0)
    front = nn.Conv2d(1, 1, 1)
    with torch.no_grad():
        front.weight.fill_(1)
        front.bias.zero_()  # type: ignore[union-attr]
    image = bars(1)
    grey = replace(WHOLE, family="mocov1")
    Pretraining(
        front,
        Material(NONE, image),
        pretraining_settings(batch=2, epochs=1, ssim_weight=0.0),
        grey,
        ema=EMA,
        warmup_steps=0,
        seed=3,
        device=CPU,
    ).epoch(1, engine, nothing)
    query = engine.shown[0][0]

    assert float(query.min()) >= -1
    assert float(query.max()) <= 1
    # Jitter keeps the dark where it was.
    assert bool((query[:, :, prepare(image)[0, 0] == -1] < 0).all())
