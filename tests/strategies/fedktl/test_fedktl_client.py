"""The device half of FedKTL: what it minimises, sends, keeps and classifies with."""

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from strategies.common import seeds
from strategies.common.errors import ModelError, SettingsError
from strategies.common.samples import prepare, shuffled_batches
from strategies.common.settings import RunSettings
from strategies.common.transport.state import load_tensors, to_tensors
from strategies.fedktl.client import FedKTLClient, FedKTLState
from strategies.fedktl.etf import simplex_etf
from strategies.fedktl.wire import ImageVectorPairs
from tests.strategies.fake_device import FakeDevice, blobs
from tests.strategies.halves import client

MakeRun = Callable[..., RunSettings]

CLASSES = 4
FEATURES = 12
LATENT = 6
SHAPE = (1, 4, 4)


def build(**own: bool | float | str) -> FedKTLClient:
    """Return the half with what the server resolves: weight and width of the latents."""
    half: FedKTLClient = client("fedktl", **{"transfer_weight": 50.0, "latent_dim": LATENT, **own})
    return half


def norm_body(input_values: int, feature_dim: int) -> nn.Module:
    """A hidden layer with batch normalisation."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(input_values, feature_dim), nn.BatchNorm1d(feature_dim), nn.ReLU()
    )


def make_device(run: RunSettings, *, held: int = CLASSES, per_class: int = 12) -> FakeDevice:
    inputs, labels = blobs(per_class, range(held), shape=SHAPE)
    test_inputs, test_labels = blobs(10, range(held), shape=SHAPE, seed=1)
    return FakeDevice(inputs, labels, test_inputs, test_labels, CLASSES, FEATURES, run)


def make_pairs(count: int = CLASSES, latent: int = LATENT) -> ImageVectorPairs:
    generator = torch.Generator().manual_seed(7)
    return ImageVectorPairs(
        images=torch.randint(256, (count, *SHAPE), generator=generator, dtype=torch.uint8),
        vectors=torch.randn(count, latent, generator=generator),
        labels=torch.arange(count),
    )


def same(one: FedKTLState, other: FedKTLState) -> bool:
    first, second = to_tensors(one), to_tensors(other)
    return first.keys() == second.keys() and all(torch.equal(first[n], second[n]) for n in first)


def accuracy(half: FedKTLClient, device: FakeDevice, state: FedKTLState) -> float:
    return half.evaluate(device, state, None).correct / len(device.test)


def test_first_round_is_arcface_alone(run_settings: MakeRun) -> None:
    half, device = build(), make_device(run_settings())

    trained = half.train(device, half.start(device), None)

    assert set(trained.losses) == {"total", "arcface"}
    assert trained.losses["total"] == trained.losses["arcface"]


def test_total_is_arcface_and_weighted_transfer(run_settings: MakeRun) -> None:
    half = build(transfer_weight=50.0)
    device = make_device(run_settings(learning_rate=0.001))

    losses = half.train(device, half.start(device), make_pairs()).losses

    expected = losses["arcface"] + 50 * losses["transfer"]
    assert losses["total"] == pytest.approx(expected, rel=1e-5)
    assert losses["transfer"] > 0.1


def test_the_weight_is_the_servers(run_settings: MakeRun) -> None:
    device = make_device(run_settings(learning_rate=0.001))
    half = build(transfer_weight=100.0)

    losses = half.train(device, half.start(device), make_pairs()).losses

    assert losses["total"] == pytest.approx(losses["arcface"] + 100 * losses["transfer"], rel=1e-5)
    # A device that was told nothing does not guess.
    half, state = build(transfer_weight="auto"), half.start(device)
    with pytest.raises(SettingsError, match=r"transfer-weight: expected a number from the server"):
        half.train(device, state, make_pairs())


def test_one_step_against_the_formulas(run_settings: MakeRun) -> None:
    """A round of one batch, written out with the arc cosine and two separate optimisers."""
    run = run_settings(batch_size=64, local_epochs=1, learning_rate=0.01)
    half, device, pairs = build(), make_device(run), make_pairs()
    state = half.start(device)
    model, projection = deepcopy(state.model), deepcopy(state.projection)
    with seeds.seeded(seeds.derive(run.seed, "transfer-head")):
        head = nn.Linear(FEATURES, LATENT)
    (order,) = shuffled_batches(len(device.train), 64, device.generator("batches"))
    inputs, labels = device.inputs[order], device.labels[order]
    directions = simplex_etf(CLASSES, run.seed)

    unit = nn.functional.normalize(projection(model.features(inputs)))
    cosines = unit @ directions.T
    own = nn.functional.one_hot(labels, CLASSES).bool()
    logits = 64 * torch.where(own, torch.cos(torch.acos(cosines) + 0.5), cosines)
    predicted = head(model.features(prepare(pairs.images)))
    transfer = (predicted - pairs.vectors).square().mean()
    (nn.functional.cross_entropy(logits, labels) + 50 * transfer).backward()
    for part in ([*model.body.parameters(), *projection.parameters()], list(head.parameters())):
        nn.utils.clip_grad_norm_(part, 100)
        torch.optim.SGD(part, 0.01).step()

    half.train(device, state, pairs)

    torch.testing.assert_close(state.model.body.state_dict(), model.body.state_dict())
    torch.testing.assert_close(state.projection.state_dict(), projection.state_dict())


def test_the_models_own_head_is_left_alone(run_settings: MakeRun) -> None:
    half, device = build(), make_device(run_settings())
    state = half.start(device)
    before = deepcopy(state.model.head.state_dict())

    half.train(device, state, make_pairs())

    torch.testing.assert_close(state.model.head.state_dict(), before, rtol=0, atol=0)


def test_client_learns(run_settings: MakeRun) -> None:
    half = build()
    device = make_device(run_settings(local_epochs=5), per_class=20)
    state = half.start(device)
    before = accuracy(half, device, state)

    first = half.train(device, state, None).losses["arcface"]
    second = half.train(replace(device, round_number=2), state, make_pairs()).losses["arcface"]

    assert second < first
    assert before < 0.6
    assert accuracy(half, device, state) > 0.9


def test_the_transfer_head_learns_the_vectors(run_settings: MakeRun) -> None:
    half = build()
    few, many = run_settings(local_epochs=1), run_settings(local_epochs=20)
    losses = []
    for run in (few, many):
        device = make_device(run)
        losses.append(half.train(device, half.start(device), make_pairs()).losses["transfer"])

    assert losses[1] < 0.5 * losses[0]


def test_prototypes_by_hand(run_settings: MakeRun) -> None:
    """Whole training set, evaluation mode, trained weights; only the classes it holds."""
    half = build()
    device = replace(make_device(run_settings(), held=2, per_class=7), body=norm_body)
    state = half.start(device)

    uplink = half.train(device, state, None).uplink

    assert uplink is not None
    state.model.eval()
    with torch.no_grad():
        unit = nn.functional.normalize(state.projection(state.model.features(device.inputs)))
    expected = torch.stack([unit[device.labels == label].mean(0) for label in (0, 1)])
    torch.testing.assert_close(uplink.rows, nn.functional.normalize(expected))
    assert uplink.labels.tolist() == [0, 1]


def test_evaluation_is_by_cosine_without_margin(run_settings: MakeRun) -> None:
    half, device = build(scale=2.0), make_device(run_settings())
    state = half.start(device)

    evaluation = half.evaluate(device, state, None)

    with torch.no_grad():
        projected = state.projection(state.model.features(device.test_inputs))
    directions = simplex_etf(CLASSES, device.settings.seed)
    cosines = nn.functional.cosine_similarity(projected[:, None], directions[None], dim=2)
    assert evaluation.correct == int((cosines.argmax(1) == device.test_labels).sum())
    expected = nn.functional.cross_entropy(2 * cosines, device.test_labels).item()
    assert evaluation.loss == pytest.approx(expected, rel=1e-5)


def statistics(state: FedKTLState) -> Tensor:
    (norm,) = (m for m in state.model.modules() if isinstance(m, nn.BatchNorm1d))
    assert norm.running_mean is not None
    return norm.running_mean.clone()


@pytest.mark.parametrize("freeze", [True, False])
def test_generated_images_enter_the_statistics_unless_frozen(
    freeze: bool, run_settings: MakeRun
) -> None:
    # Without weight and learning rate, only the statistics can tell the two rounds apart.
    half = build(freeze_batch_norm=freeze, transfer_weight=0.0)
    device = replace(make_device(run_settings(learning_rate=1e-12)), body=norm_body)
    alone, taught = half.start(device), half.start(device)

    half.train(device, alone, None)
    half.train(device, taught, make_pairs())

    assert torch.equal(statistics(alone), statistics(taught)) is freeze


def test_frozen_layers_normalise_real_images_by_their_batch(run_settings: MakeRun) -> None:
    """The real batch is in training mode again after a frozen generated one."""
    half = build(freeze_batch_norm=True, transfer_weight=0.0)
    device = replace(make_device(run_settings(batch_size=8)), body=norm_body)
    alone, taught = half.start(device), half.start(device)

    first = half.train(device, alone, None).losses["arcface"]
    second = half.train(device, taught, make_pairs()).losses["arcface"]

    assert first == second


def test_a_single_pair_survives_batch_normalisation(run_settings: MakeRun) -> None:
    half = build()
    device = replace(make_device(run_settings()), body=norm_body)

    losses = half.train(device, half.start(device), make_pairs(1)).losses

    assert math.isfinite(losses["transfer"])


def test_pairs_are_cycled_within_and_over_epochs(run_settings: MakeRun) -> None:
    # 48 samples in batches of 3 need 16 batches of pairs; four pairs in threes are one batch
    # of four, since a remainder of one joins it.
    half = build()
    device = replace(make_device(run_settings(batch_size=3, local_epochs=2)), body=norm_body)

    losses = half.train(device, half.start(device), make_pairs(4)).losses

    assert math.isfinite(losses["transfer"])


def test_no_pairs_at_all_are_like_none(run_settings: MakeRun) -> None:
    half, device = build(), make_device(run_settings())

    losses = half.train(device, half.start(device), make_pairs(0)).losses

    assert set(losses) == {"total", "arcface"}


def test_transfer_head_starts_alike_in_every_round_and_client(run_settings: MakeRun) -> None:
    # A head that is kept, and that so small a step leaves as it began, shows its start.
    half = build(reset_transfer_head=False)
    device = make_device(run_settings(learning_rate=1e-12))
    starts = []
    for round_number, partition in ((1, 0), (3, 0), (1, 2)):
        now = replace(device, round_number=round_number, partition=partition)
        state = half.start(now)
        half.train(now, state, make_pairs())
        starts.append((state.transfer_weight, state.transfer_bias))

    torch.testing.assert_close(starts[0], starts[1])
    torch.testing.assert_close(starts[0], starts[2])


def test_a_reset_transfer_head_leaves_nothing_behind(run_settings: MakeRun) -> None:
    half, device = build(), make_device(run_settings())
    state = half.start(device)

    half.train(device, state, make_pairs())

    assert state.transfer_weight is None
    assert state.transfer_bias is None


def test_a_kept_transfer_head_goes_on_and_survives_the_disk(run_settings: MakeRun) -> None:
    half = build(reset_transfer_head=False)
    device = make_device(run_settings(local_epochs=5))
    state = half.start(device)
    first = half.train(device, state, make_pairs()).losses["transfer"]
    stored = to_tensors(state)
    woken = half.start(device)
    load_tensors(woken, stored)

    second = half.train(replace(device, round_number=2), state, make_pairs())
    again = half.train(replace(device, round_number=2), woken, make_pairs())

    assert stored["transfer_weight"].shape == (LATENT, FEATURES)
    assert second.losses["transfer"] < first
    assert second.losses == again.losses
    assert same(state, woken)


def test_a_kept_head_of_another_generator_is_replaced(run_settings: MakeRun) -> None:
    half = build(reset_transfer_head=False)
    device = make_device(run_settings())
    state = half.start(device)
    half.train(device, state, make_pairs(latent=LATENT))

    half.train(device, state, make_pairs(latent=LATENT + 2))

    assert state.transfer_weight is not None
    assert state.transfer_weight.shape == (LATENT + 2, FEATURES)


def test_a_round_repeats_to_the_last_bit(run_settings: MakeRun) -> None:
    half, device = build(), make_device(run_settings())
    states = [half.start(device), half.start(device)]

    trained = [half.train(device, state, make_pairs()) for state in states]

    assert same(*states)
    assert trained[0].losses == trained[1].losses
    first, second = (t.uplink for t in trained)
    assert first is not None
    assert second is not None
    assert torch.equal(first.rows, second.rows)


@pytest.mark.parametrize("shape", [(1, 5, 5), (3, 6, 4), (9, 1, 32)])
def test_any_input_shape(shape: tuple[int, int, int], run_settings: MakeRun) -> None:
    inputs, labels = blobs(6, range(2), shape=shape)
    device = FakeDevice(inputs, labels, inputs, labels, 2, FEATURES, run_settings())
    half = build()
    pairs = ImageVectorPairs(
        torch.full((2, *shape), 128, dtype=torch.uint8), torch.randn(2, 3), torch.arange(2)
    )

    uplink = half.train(device, half.start(device), pairs).uplink

    assert uplink is not None
    assert uplink.rows.shape == (2, 2)


def test_one_class_alone_is_refused(run_settings: MakeRun) -> None:
    device = replace(make_device(run_settings(), held=1), num_classes=1)
    half = build()

    with pytest.raises(ModelError, match="at least 2 classes"):
        half.train(device, half.start(device), None)
