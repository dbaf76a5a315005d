"""The shared loops: steps worked out by hand, every sample seen, divergence named."""

import itertools
import math
import re
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn

from strategies.common.confusion import ConfusionCounts
from strategies.common.errors import ModelError
from strategies.common.optimiser import general_optimiser
from strategies.common.settings import RunSettings
from strategies.common.training import (
    EVALUATION_BATCH,
    BatchLosses,
    evaluate_scores,
    score_batches,
    train_epochs,
)
from tests.strategies.fake_device import FakeDevice, blobs

Build = Callable[..., RunSettings]


def device(settings: RunSettings, inputs: list[float], round_number: int = 1) -> FakeDevice:
    values = torch.tensor(inputs).reshape(-1, 1, 1, 1)
    labels = torch.arange(len(inputs))
    return FakeDevice(
        values, labels, values, labels, len(inputs), 4, settings, round_number=round_number
    )


def trained(
    client: FakeDevice,
    groups: Sequence[Sequence[nn.Module]],
    losses: BatchLosses,
    max_norm: float | None = None,
) -> dict[str, float]:
    """Train with the optimiser of the general settings."""
    modules = [module for group in groups for module in group]
    optimiser = general_optimiser(client, groups, max_norm)
    return train_epochs(client, modules, losses, optimiser)


def weight(value: float = 0.0) -> nn.Linear:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, value)
    return layer


def test_one_step_of_gradient_descent(run_settings: Build) -> None:
    layer = weight()

    def losses(inputs: Tensor, _: Tensor) -> dict[str, Tensor]:
        return {"total": (layer(inputs.flatten(1)) - 1).square().mean()}

    settings = run_settings(local_epochs=1, batch_size=10, learning_rate=0.1)
    means = trained(device(settings, [1.0, 3.0]), [[layer]], losses)
    # d/dw of the mean of (wx - 1)^2 at w = 0 is the mean of -2x = -4; the loss there is 1.
    assert layer.weight.item() == pytest.approx(0.4)
    assert means == {"total": pytest.approx(1.0)}


def test_only_the_total_is_minimised_and_only_the_given_modules_move(run_settings: Build) -> None:
    moved, frozen = weight(1.0), weight(1.0)

    def losses(inputs: Tensor, _: Tensor) -> dict[str, Tensor]:
        flat = inputs.flatten(1)
        return {
            "total": (moved(flat) * frozen(flat)).mean(),
            "other": moved(flat).mean() * 100,
        }

    settings = run_settings(local_epochs=1, batch_size=10, learning_rate=0.1)
    means = trained(device(settings, [1.0, 2.0]), [[moved]], losses)
    # The total is w v x^2 with mean x^2 = 2.5; at w = v = 1 its slope in w is 2.5.
    assert moved.weight.item() == pytest.approx(0.75)
    assert frozen.weight.item() == 1.0
    assert means == {"total": pytest.approx(2.5), "other": pytest.approx(150.0)}


@pytest.mark.parametrize(
    ("groups", "first", "second"),
    [
        # Gradients are -3 and -4. Apart, each is cut to norm 1; together, (3, 4) / 5.
        ("apart", 0.1, 0.1),
        ("together", 0.06, 0.08),
        ("free", 0.3, 0.4),
    ],
)
def test_gradients_are_clipped_group_by_group(
    run_settings: Build, groups: str, first: float, second: float
) -> None:
    one, two = weight(), weight()

    def losses(inputs: Tensor, _: Tensor) -> dict[str, Tensor]:
        return {"total": -3 * one(inputs.flatten(1)).mean() - 4 * two(inputs.flatten(1)).mean()}

    trained(
        device(run_settings(local_epochs=1, batch_size=10, learning_rate=0.1), [1.0]),
        [[one], [two]] if groups == "apart" else [[one, two]],
        losses,
        max_norm=None if groups == "free" else 1.0,
    )
    assert one.weight.item() == pytest.approx(first, abs=1e-6)
    assert two.weight.item() == pytest.approx(second, abs=1e-6)


def test_losses_are_means_over_samples_not_over_batches(run_settings: Build) -> None:
    layer = weight()

    def losses(inputs: Tensor, _: Tensor) -> dict[str, Tensor]:
        return {"total": 0 * layer(inputs.flatten(1)).sum() + float(len(inputs))}

    settings = run_settings(local_epochs=2, batch_size=2)
    means = trained(device(settings, [0.0] * 5), [[layer]], losses)
    # Batches of 2 and 3: (2 * 2 + 3 * 3) / 5.
    assert means == {"total": pytest.approx(2.6)}


def orders(settings: RunSettings, round_number: int) -> list[list[int]]:
    seen: list[list[int]] = []
    layer = weight()

    def losses(inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
        assert inputs.flatten().tolist() == labels.tolist()
        seen.append(labels.tolist())
        return {"total": layer(inputs.flatten(1)).mean()}

    samples = [float(number) for number in range(12)]
    trained(device(settings, samples, round_number), [[layer]], losses)
    return seen


def test_every_epoch_sees_every_sample_once_in_an_order_of_its_own(run_settings: Build) -> None:
    seen = orders(run_settings(local_epochs=3, batch_size=4), round_number=1)
    assert [len(batch) for batch in seen] == [4] * 9
    epochs = [[n for batch in seen[s : s + 3] for n in batch] for s in (0, 3, 6)]
    assert all(sorted(epoch) == list(range(12)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_the_order_repeats_with_the_round_and_changes_with_it(run_settings: Build) -> None:
    settings = run_settings(local_epochs=1, batch_size=4)
    assert orders(settings, 1) == orders(settings, 1)
    assert orders(settings, 1) != orders(settings, 2)
    assert orders(settings, 1) != orders(run_settings(local_epochs=1, batch_size=4, seed=1), 1)


def test_modules_train_in_training_mode_and_are_tested_in_evaluation_mode(
    run_settings: Build,
) -> None:
    inputs, labels = blobs(4, [0, 1])
    client = FakeDevice(inputs, labels, inputs, labels, 2, 4, run_settings())
    model = client.build_model()
    modes: list[bool] = []

    def losses(batch: Tensor, wanted: Tensor) -> dict[str, Tensor]:
        modes.append(model.training and model.body.training)
        return {"total": nn.functional.cross_entropy(model(batch), wanted)}

    def scores(batch: Tensor) -> Tensor:
        modes.append(model.training or model.body.training)
        return model(batch)

    model.eval()
    trained(client, [[model]], losses)
    assert modes
    assert all(modes)
    modes.clear()
    evaluate_scores(client, model, scores)
    assert modes == [False]


def spoilt_from(batch: int, bad: float, layer: nn.Linear) -> BatchLosses:
    seen = itertools.count()

    def losses(inputs: Tensor, _: Tensor) -> dict[str, Tensor]:
        loss = layer(inputs.flatten(1)).mean()
        return {"total": loss, "prototype": loss + (bad if next(seen) >= batch else 0.0)}

    return losses


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_is_named(run_settings: Build, bad: float) -> None:
    settings = run_settings(learning_rate=7.5, batch_size=2)
    layer, four = weight(), device(settings, [1.0, 2.0, 3.0, 4.0])
    with pytest.raises(ModelError, match=r"diverged: prototype is (nan|inf) at learning-rate=7\.5"):
        trained(four, [[layer]], spoilt_from(1, bad, layer))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_round_that_begins_with_no_number_does_not_blame_its_own_steps(
    run_settings: Build, bad: float
) -> None:
    """A head that the server drove to 1e30 is no client's learning rate."""
    layer, two = weight(), device(run_settings(), [1.0, 2.0])
    expected = (
        f"training cannot begin: prototype of the round's first batch is {bad}, before any step: "
        f"what the server sent, or what was learnt before, is too large; lower learning-rate, or "
        f"the server's own where the method has one"
    )
    with pytest.raises(ModelError, match=f"^{re.escape(expected)}$"):
        trained(two, [[layer]], spoilt_from(0, bad, layer))


def test_a_loss_beyond_single_precision_is_no_number(run_settings: Build) -> None:
    client = device(run_settings(), [0.0, 1.0, 2.0])

    def scores(inputs: Tensor) -> Tensor:
        found = torch.zeros(len(inputs), 3)
        found[:, 0] = 3e38
        return found

    with pytest.raises(ModelError, match=r"diverged: test loss is 6\.0\d*e\+38 at learning-rate"):
        evaluate_scores(client, nn.Identity(), lambda inputs: scores(inputs).double())


def test_a_model_learns_a_toy_problem(run_settings: Build) -> None:
    inputs, labels = blobs(20, [0, 1, 2])
    tests = blobs(10, [0, 1, 2], seed=1)
    settings = run_settings(local_epochs=15, batch_size=10, learning_rate=0.1)
    client = FakeDevice(inputs, labels, *tests, 3, 8, settings)
    model = client.build_model()

    def losses(batch: Tensor, wanted: Tensor) -> dict[str, Tensor]:
        return {"total": nn.functional.cross_entropy(model(batch), wanted)}

    before = evaluate_scores(client, model, model)
    trained(client, [[model]], losses)
    after = evaluate_scores(client, model, model)
    assert after.correct == 30
    assert after.loss < 0.5 * before.loss


def test_pixels_are_scaled_before_they_reach_the_model(run_settings: Build) -> None:
    pixels = torch.tensor([0, 255], dtype=torch.uint8).reshape(2, 1, 1, 1)
    labels = torch.tensor([0, 1])
    client = FakeDevice(pixels, labels, pixels, labels, 2, 4, run_settings(local_epochs=1))
    seen: list[float] = []
    layer = weight()

    def losses(inputs: Tensor, _: Tensor) -> dict[str, Tensor]:
        seen.extend(inputs.flatten().tolist())
        return {"total": layer(inputs.flatten(1)).mean()}

    trained(client, [[layer]], losses)
    assert sorted(seen) == [-1.0, 1.0]
    ((outputs, _),) = score_batches(client, client.test, layer, lambda inputs: inputs.flatten(1))
    assert outputs.flatten().tolist() == [-1.0, 1.0]


def test_an_evaluation_by_hand(run_settings: Build) -> None:
    client = device(run_settings(), [0.0, 1.0, 2.0])
    table = torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    told = evaluate_scores(client, nn.Identity(), lambda x: table[x.flatten().long()])
    # Labels are 0, 1, 2. Highest scores: 0 (right), 2 (wrong), and of three equals the first,
    # 0 (wrong). Losses: log(e^2 + 2) - 2, log(2 + e) - 0, log 3.
    assert told.correct == 1
    # Class by class: one sample each, one right, and 0, 0, 2 given.
    assert told.classes == ConfusionCounts((1, 1, 1), (1, 0, 0), (2, 0, 1))
    expected = math.log(math.e**2 + 2) - 2 + math.log(2 + math.e) + math.log(3)
    assert told.loss == pytest.approx(expected / 3)


def test_an_evaluation_of_many_batches_is_that_of_one(run_settings: Build) -> None:
    count = 2 * EVALUATION_BATCH + 3
    client = device(run_settings(), [float(number % 7) for number in range(count)])
    sizes: list[int] = []

    def scores(inputs: Tensor) -> Tensor:
        sizes.append(len(inputs))
        assert not torch.is_grad_enabled()
        return torch.zeros(len(inputs), count)

    told = evaluate_scores(client, nn.Identity(), scores)
    assert sizes == [EVALUATION_BATCH, EVALUATION_BATCH, 3]
    # All scores equal: class 0 is chosen, and only the first sample is of class 0.
    assert told.correct == 1
    assert told.loss == pytest.approx(math.log(count), rel=1e-6)


def test_scores_that_are_no_numbers_are_named(run_settings: Build) -> None:
    client = device(run_settings(), [0.0, 1.0])
    with pytest.raises(ModelError, match="diverged: test loss is nan"):
        evaluate_scores(client, nn.Identity(), lambda x: torch.full((len(x), 2), float("nan")))
