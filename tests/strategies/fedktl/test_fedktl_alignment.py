"""The server's alignment of prototypes with valid latents."""

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from torch import Tensor

from strategies.common import seeds
from strategies.common.errors import ModelError
from strategies.fedktl.alignment import AlignmentLosses, Uploaded, align, latent_centroids
from strategies.fedktl.automatic import Automatic, automatic
from strategies.fedktl.discrepancy import mmd
from strategies.fedktl.etf import simplex_etf
from strategies.fedktl.settings import FedKTLSettings, Statistics
from strategies.fedktl.transformer import FeatureTransformer
from strategies.fedktl.variations import project
from tests.strategies.fedktl.fake_generator import FakeGenerator

MakeSettings = Callable[..., FedKTLSettings]

LATENT = 8
GENERATOR = FakeGenerator(LATENT)


def transformer(num_classes: int, latent: int = LATENT) -> FeatureTransformer:
    with seeds.seeded(0):
        return FeatureTransformer(num_classes, latent)


def prototypes(num_classes: int, clients: int) -> Uploaded:
    """Every client's prototypes: the class directions with some noise."""
    noise = torch.randn(clients, num_classes, num_classes, generator=seeds.generator(0, "noise"))
    means = torch.nn.functional.normalize(simplex_etf(num_classes, 0) + 0.2 * noise, dim=2)
    rows = torch.arange(num_classes).repeat(clients)
    return Uploaded(means.flatten(0, 1), torch.arange(num_classes), rows)


def run(
    network: FeatureTransformer,
    uploaded: Uploaded,
    settings: FedKTLSettings,
    sample: Callable[[int, torch.Generator], Tensor] = GENERATOR.sample_latents,
) -> AlignmentLosses:
    generator = seeds.generator(0, "alignment")
    return align(network, uploaded, sample, settings, chosen(settings), generator)


def chosen(settings: FedKTLSettings) -> Automatic:
    return automatic(settings, "oriented", GENERATOR)


def test_centroids_by_hand() -> None:
    # Class 4 has two prototypes and class 7 one: means of what the transformer makes of them.
    network = transformer(3).eval()
    means = torch.eye(3)
    uploaded = Uploaded(means, torch.tensor([4, 7]), torch.tensor([0, 1, 0]))
    vectors = network(means).detach()

    centroids = latent_centroids(network.train(), uploaded, "running")

    torch.testing.assert_close(centroids[0], (vectors[0] + vectors[2]) / 2)
    torch.testing.assert_close(centroids[1], vectors[1])
    assert not centroids.requires_grad


def test_centroids_see_the_prototypes_as_training_does() -> None:
    network, uploaded = transformer(6), prototypes(6, clients=1)
    # All prototypes in one batch, one for each class: a centroid is what training maps it to.
    expected = network.train()(uploaded.means).detach()

    centroids = latent_centroids(network, uploaded, "round")

    torch.testing.assert_close(centroids, expected)
    assert not network.training


@pytest.mark.parametrize(("statistics", "longest"), [("round", 1.5), ("running", 1e6)])
def test_prototypes_of_one_client_stay_near_valid_latents(
    fedktl_settings: MakeSettings, statistics: Statistics, longest: float
) -> None:
    """An untrained client's prototypes are nearly one vector, and in the next round another."""
    network = transformer(10)
    settings = fedktl_settings(centroid_statistics=statistics)
    lengths = []
    for round_number in (1, 2):
        generator = seeds.generator(0, "client", round_number=round_number)
        common = torch.randn(10, generator=generator)
        spread = 0.02 * torch.randn(10, 10, generator=generator)
        means = torch.nn.functional.normalize(common + spread, dim=1)
        uploaded = Uploaded(means, torch.arange(10), torch.arange(10))
        run(network, uploaded, settings)
        centroids = latent_centroids(network, uploaded, statistics)
        lengths.append(centroids.norm(dim=1).mean().item() / LATENT**0.5)

    assert max(lengths) < longest
    assert (max(lengths) > 3) == (statistics == "running")


def test_a_lone_prototype_keeps_the_statistics_of_before() -> None:
    network = transformer(3)
    before = deepcopy(network.state_dict())
    latent_centroids(network, Uploaded(torch.eye(3)[:1], torch.arange(1), torch.arange(1)), "round")
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


def test_alignment_comes_near_valid_latents(fedktl_settings: MakeSettings) -> None:
    network, uploaded = transformer(10), prototypes(10, clients=5)

    losses = run(network, uploaded, fedktl_settings())

    assert losses.last_mmd < 0.5 * losses.first_mmd
    length = latent_centroids(network, uploaded, "round").norm(dim=1).mean().item()
    assert length == pytest.approx(LATENT**0.5, rel=0.35)


def test_centroid_loss_gathers_the_prototypes_of_a_class(fedktl_settings: MakeSettings) -> None:
    spreads = []
    for weight in (0.0, 10.0):
        network, uploaded = transformer(5), prototypes(5, clients=4)
        run(network, uploaded, fedktl_settings(alignment_weight=weight, server_epochs=60))
        centroids = latent_centroids(network, uploaded, "round")
        vectors = network(uploaded.means).detach()
        spreads.append((vectors - centroids[uploaded.rows]).square().mean().item())

    assert spreads[1] < 0.5 * spreads[0]


def test_losses_are_those_of_first_and_last_epoch(fedktl_settings: MakeSettings) -> None:
    one = run(transformer(4), prototypes(4, clients=3), fedktl_settings(server_epochs=1))
    three = run(transformer(4), prototypes(4, clients=3), fedktl_settings(server_epochs=3))

    assert (one.first_mmd, one.first_mse) == (one.last_mmd, one.last_mse)
    assert (three.first_mmd, three.first_mse) == (one.first_mmd, one.first_mse)
    assert three.last_mmd != three.first_mmd


def test_a_remainder_of_one_joins_the_batch_before(fedktl_settings: MakeSettings) -> None:
    # 9 prototypes in batches of 4: one of 4 and one of 5; a batch of 1 could not train.
    counts: list[int] = []

    def sample(count: int, generator: torch.Generator) -> Tensor:
        counts.append(count)
        return GENERATOR.sample_latents(count, generator)

    run(
        transformer(3),
        prototypes(3, clients=3),
        fedktl_settings(server_epochs=2, server_batch_size=4),
        sample,
    )

    assert counts == [4, 5, 4, 5]


def test_a_lone_prototype_is_normalised_by_running_statistics(
    fedktl_settings: MakeSettings,
) -> None:
    network = transformer(3)
    before = deepcopy(network.state_dict())
    uploaded = Uploaded(simplex_etf(3, 0)[1:2], torch.tensor([1]), torch.tensor([0]))

    run(network, uploaded, fedktl_settings(server_epochs=5))

    after = network.state_dict()
    assert torch.equal(after["layers.1.running_mean"], before["layers.1.running_mean"])
    assert not torch.equal(after["layers.3.weight"], before["layers.3.weight"])
    assert torch.isfinite(latent_centroids(network, uploaded, "round")).all()


def test_a_step_is_clipped_adam_on_both_losses(fedktl_settings: MakeSettings) -> None:
    """One epoch of one batch, against the same step written out."""
    settings = fedktl_settings(server_epochs=1, alignment_weight=0.5, centroid_statistics="running")
    network, uploaded = transformer(4), prototypes(4, clients=2)
    expected = transformer(4)
    expected.eval()
    centroids = expected(uploaded.means).detach().view(2, 4, LATENT).mean(0)
    table = torch.nn.Parameter(centroids)
    generator = seeds.generator(0, "alignment")
    order = torch.randperm(8, generator=generator)
    valid = GENERATOR.sample_latents(8, generator)
    expected.train()
    vectors = expected(uploaded.means[order])
    points = torch.cat([vectors, valid])
    distances = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist") ** 2
    pairs = torch.triu_indices(16, 16, 1)
    median = distances.detach()[pairs[0], pairs[1]].median()
    kernel = sum(torch.exp(-distances / (2 * median * f)) for f in (0.25, 0.5, 1.0, 2.0))
    assert isinstance(kernel, Tensor)
    loss = kernel[:8, :8].mean() + kernel[8:, 8:].mean() - 2 * kernel[:8, 8:].mean()
    loss = loss + 0.5 * (vectors - table[uploaded.rows[order]]).square().mean()
    optimiser = torch.optim.Adam(expected.parameters(), 0.01)
    loss.backward()
    optimiser.step()

    run(network, uploaded, settings)

    # Adam's first step is the sign of the gradient: where that is rounding noise (a bias
    # before batch normalisation), the sign is arbitrary.
    for name, value in expected.state_dict().items():
        if name != "layers.0.bias":
            torch.testing.assert_close(network.state_dict()[name], value, msg=name)


def test_same_randomness_same_bits(fedktl_settings: MakeSettings) -> None:
    networks = [transformer(6), transformer(6)]

    for network in networks:
        run(network, prototypes(6, clients=3), fedktl_settings(server_epochs=5))

    first, second = (network.state_dict() for network in networks)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_divergence_is_named(fedktl_settings: MakeSettings) -> None:
    def broken(count: int, generator: torch.Generator) -> Tensor:
        return torch.full((count, LATENT), float("nan"))

    with pytest.raises(ModelError, match=r"diverged.*server-learning-rate=0\.01; lower it"):
        run(transformer(3), prototypes(3, clients=2), fedktl_settings(server_epochs=2), broken)


def test_alignment_reaches_the_noise_of_a_diffusion_model(fedktl_settings: MakeSettings) -> None:
    """At H = 16,384, with what is automatic for diffusers, in a fifth of the epochs."""
    width = 16_384
    settings = fedktl_settings(server_epochs=20)
    diffusion = automatic(settings, "diffusers:folder", FakeGenerator(width, gaussian_latents=True))
    network, uploaded = transformer(10, width), prototypes(10, clients=2)
    noise = FakeGenerator(width).sample_latents
    before = latent_centroids(network, uploaded, "round").norm(dim=1)
    vectors = network(uploaded.means)
    mmd(vectors, noise(20, seeds.generator(1, "noise")), diffusion.bandwidths).backward()
    last = network.layers[3]
    assert isinstance(last, torch.nn.Linear)
    assert last.weight.grad is not None
    assert last.weight.grad.norm().item() > 1e-3

    generator = seeds.generator(0, "alignment")
    losses = align(network, uploaded, noise, settings, diffusion, generator)

    after = latent_centroids(network, uploaded, "round")
    assert losses.last_mmd < 0.5 * losses.first_mmd
    assert before.mean().item() < 0.5 * width**0.5
    assert after.norm(dim=1).mean().item() > 0.7 * width**0.5
    torch.testing.assert_close(project(after).norm(dim=1), torch.full((10,), 128.0))
