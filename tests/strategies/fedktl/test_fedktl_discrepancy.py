"""Maximum mean discrepancy."""

import math

import pytest
import torch

from strategies.fedktl.discrepancy import Bandwidths, mean_kernel, mmd, squared_distances


def noise(count: int, width: int, seed: int) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def test_two_points_by_hand() -> None:
    # q = (0, 0), w = (2, 4): d^2 = 20. Each point with itself has k = 4.
    # Fixed set: k(q, w) = e^(-20/20) + e^(-20/30) + e^(-20/40) + e^(-20/100).
    vectors, latents = torch.zeros(1, 2), torch.tensor([[2.0, 4.0]])
    across = math.exp(-1) + math.exp(-2 / 3) + math.exp(-0.5) + math.exp(-0.2)

    assert mmd(vectors, latents, "stylegan").item() == pytest.approx(8 - 2 * across, abs=1e-6)


def test_median_of_one_distance_by_hand() -> None:
    # The median is d^2 itself: exponents -d^2 / 2a are -2, -1, -1/2 and -1/4 at any scale.
    vectors, latents = torch.zeros(1, 2), torch.tensor([[200.0, 400.0]])
    across = math.exp(-2) + math.exp(-1) + math.exp(-0.5) + math.exp(-0.25)

    assert mmd(vectors, latents, "median").item() == pytest.approx(8 - 2 * across, abs=1e-6)


def test_agrees_with_a_double_loop() -> None:
    vectors, latents = noise(5, 3, seed=0), 1 + noise(5, 3, seed=1)

    def kernel(one: torch.Tensor, other: torch.Tensor) -> float:
        distance = float((one - other).square().sum())
        return sum(math.exp(-distance / (2 * a)) for a in (10, 15, 20, 50))

    expected = sum(
        kernel(vectors[i], vectors[j])
        + kernel(latents[i], latents[j])
        - 2 * kernel(vectors[i], latents[j])
        for i in range(5)
        for j in range(5)
    )

    assert mmd(vectors, latents, "stylegan").item() == pytest.approx(expected / 25, abs=1e-6)


@pytest.mark.parametrize("kind", ["stylegan", "median"])
def test_same_distribution_is_near_the_bias_and_another_is_far(kind: Bandwidths) -> None:
    count, width, draws = 200, 16, 10
    latents = noise(count, width, seed=100)
    bias = 2 / count * (4 - mean_kernel(latents, kind))
    samples = [noise(count, width, seed=seed) for seed in range(draws)]

    same = sum(mmd(sample, latents, kind).item() for sample in samples) / draws
    shifted = sum(mmd(1 + sample, latents, kind).item() for sample in samples) / draws

    assert same == pytest.approx(bias, rel=0.15)
    assert shifted > 10 * same


def test_one_sample_with_itself_is_zero() -> None:
    points = noise(20, 4, seed=0)

    assert mmd(points, points.clone(), "median").item() == pytest.approx(0, abs=1e-6)


def test_only_the_median_gives_a_gradient_at_the_width_of_a_diffusion_model() -> None:
    slopes = {}
    kinds: tuple[Bandwidths, ...] = ("stylegan", "median")
    for kind in kinds:
        vectors = noise(20, 16384, seed=0).mul_(0.5).requires_grad_()
        mmd(vectors, noise(20, 16384, seed=1), kind).backward()  # type: ignore[no-untyped-call]
        assert vectors.grad is not None
        slopes[kind] = vectors.grad.norm().item()

    assert slopes["stylegan"] == 0
    assert slopes["median"] > 1e-6


def test_the_median_carries_no_gradient() -> None:
    # The loss does not change when all points are scaled alike, because the median scales
    # with them. With a gradient through the median, the slope along that scaling would be 0.
    vectors = noise(6, 3, seed=0).requires_grad_()
    latents = (1 + noise(6, 3, seed=1)).requires_grad_()

    mmd(vectors, latents, "median").backward()  # type: ignore[no-untyped-call]

    assert vectors.grad is not None
    assert latents.grad is not None
    slope = (vectors.grad * vectors).sum() + (latents.grad * latents).sum()
    assert abs(slope.item()) > 0.01


def test_coinciding_points_are_finite() -> None:
    vectors = torch.ones(3, 2, requires_grad=True)

    loss = mmd(vectors, torch.ones(3, 2), "median")
    loss.backward()  # type: ignore[no-untyped-call]

    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert vectors.grad is not None
    assert torch.isfinite(vectors.grad).all()


def test_distances_by_hand() -> None:
    points = torch.tensor([[0.0, 0.0], [3.0, 4.0]])

    torch.testing.assert_close(squared_distances(points), torch.tensor([[0.0, 25.0], [25.0, 0.0]]))


def test_mean_kernel_leaves_out_the_diagonal() -> None:
    points = torch.tensor([[0.0, 0.0], [2.0, 4.0]])
    across = math.exp(-1) + math.exp(-2 / 3) + math.exp(-0.5) + math.exp(-0.2)

    assert mean_kernel(points, "stylegan") == pytest.approx(across, abs=1e-6)
