"""Whether the alignment's numbers and sentences say what happened."""

import pytest
import torch

from strategies.fedktl.alignment import AlignmentLosses
from strategies.fedktl.diagnosis import COMPARED_LATENTS, Diagnosis, diagnose
from strategies.fedktl.discrepancy import Bandwidths, mmd

LEARNT = AlignmentLosses(first_mmd=1.0, first_mse=0.2, last_mmd=0.3, last_mse=0.1)


def noise(count: int, width: int, seed: int) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def judge(
    centroids: torch.Tensor,
    losses: AlignmentLosses = LEARNT,
    kind: Bandwidths = "median",
    projected: torch.Tensor | None = None,
) -> Diagnosis:
    latents = noise(COMPARED_LATENTS, centroids.shape[1], seed=9)
    return diagnose(losses, centroids, latents, kind, batch=50, projected=projected)


def test_centroids_like_valid_latents_need_no_word() -> None:
    diagnosis = judge(noise(10, 16, seed=0))

    assert diagnosis.notes == ()


def test_numbers_by_hand() -> None:
    # Lengths 3 and 4 at a right angle: 5 apart.
    centroids = torch.tensor([[3.0, 0.0], [0.0, 4.0]])

    numbers = judge(centroids).numbers

    assert numbers["centroid_norm"] == pytest.approx(3.5)
    assert numbers["centroid_separation"] == pytest.approx(5)
    assert numbers["classes"] == 2
    assert (numbers["mmd_first"], numbers["mmd_last"]) == (1.0, 0.3)
    assert (numbers["mse_first"], numbers["mse_last"]) == (0.2, 0.1)


def test_reference_is_what_one_valid_latent_per_class_scores() -> None:
    latents = [noise(10, 16, seed=seed).repeat(5, 1) for seed in range(20)]
    scored = [mmd(w, noise(50, 16, seed=100 + i), "median").item() for i, w in enumerate(latents)]

    reference = judge(noise(10, 16, seed=0)).numbers["mmd_reference"]

    assert reference == pytest.approx(sum(scored) / len(scored), rel=0.2)


@pytest.mark.parametrize(("factor", "word"), [(0.3, "raise"), (2.0, "lower")])
def test_a_wrong_length_is_told(factor: float, word: str) -> None:
    (note,) = judge(factor * noise(10, 16, seed=0)).notes

    assert "of the length of valid latents" in note
    assert f"; {word} fedktl.server-learning-rate" in note or f"stays, {word} fedktl" in note


def test_classes_on_one_spot_are_told() -> None:
    (note,) = judge(noise(1, 16, seed=0) + 0.1 * noise(10, 16, seed=1)).notes

    assert "nearly one image" in note


def test_standing_still_far_away_is_told() -> None:
    stuck = AlignmentLosses(first_mmd=1.0, first_mse=0.2, last_mmd=0.99, last_mse=0.2)

    (note,) = judge(noise(10, 16, seed=0), stuck).notes

    assert "did not learn" in note
    assert "from 1 to 0.99" in note


def test_still_falling_far_away_is_fine() -> None:
    falling = AlignmentLosses(first_mmd=3.0, first_mse=0.2, last_mmd=1.0, last_mse=0.2)

    assert judge(noise(10, 16, seed=0), falling).notes == ()


def test_standing_still_within_reach_is_fine() -> None:
    settled = AlignmentLosses(first_mmd=0.25, first_mse=0.2, last_mmd=0.25, last_mse=0.2)

    assert judge(noise(10, 16, seed=0), settled).notes == ()


def test_blind_bandwidths_are_told_and_median_ones_are_never_blind() -> None:
    centroids = noise(10, 4096, seed=0)

    (note,) = judge(centroids, kind="stylegan").notes

    assert "set fedktl.mmd-bandwidths=median" in note
    assert judge(centroids, kind="median").notes == ()


def test_one_class_alone_has_no_separation_to_miss() -> None:
    diagnosis = judge(noise(1, 16, seed=0))

    assert diagnosis.numbers["centroid_separation"] == 0
    assert diagnosis.notes == ()


def test_after_projection_both_lengths_are_told_and_a_short_one_is_fine() -> None:
    # (3, 4) is 5 long; scaled to 10 and 20 long, at a right angle: sqrt(500) apart.
    centroids = torch.tensor([[3.0, 4.0], [-4.0, 3.0]])
    numbers = judge(centroids, projected=centroids * torch.tensor([[2.0], [4.0]])).numbers

    assert numbers["aligned_norm"] == pytest.approx(5)
    assert numbers["centroid_norm"] == pytest.approx(15)
    assert numbers["centroid_separation"] == pytest.approx(500**0.5)
    assert "aligned_norm" not in judge(centroids).numbers
    short = noise(10, 16, seed=0)
    assert judge(0.2 * short, projected=short).notes == ()
