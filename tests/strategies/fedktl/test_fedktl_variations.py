"""The vectors that a class's images are drawn from."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from strategies.common import seeds
from strategies.fedktl.variations import class_latents, project
from tests.strategies.fedktl.fake_generator import FakeGenerator


def noise(count: int, width: int, seed: int = 0) -> Tensor:
    return torch.randn(count, width, generator=seeds.generator(seed, "noise"))


def latents(centroids: Tensor, count: int, *, projected: bool = False) -> Tensor:
    sample = FakeGenerator(centroids.shape[1]).sample_latents
    generator = seeds.generator(0, "variations")
    return class_latents(centroids, count, sample, generator, projected=projected)


def test_projection_by_hand() -> None:
    # Four components: the length becomes 2, the direction stays.
    expected = torch.tensor([[1.2, 1.6, 0.0, 0.0], [0.0, 0.0, 0.0, -2.0], [0.0] * 4])
    vectors = torch.tensor([[3.0, 4.0, 0.0, 0.0], [0.0, 0.0, 0.0, -0.1], [0.0] * 4])

    torch.testing.assert_close(project(vectors), expected)


def test_one_image_is_the_centroid_and_draws_nothing() -> None:
    def broken(count: int, generator: torch.Generator) -> Tensor:
        raise AssertionError

    centroids = noise(3, 5)
    got = class_latents(centroids, 1, broken, torch.Generator(), projected=True)

    assert torch.equal(got, centroids)


def test_others_are_a_quarter_of_the_way_to_valid_latents() -> None:
    # Two classes, three images: of each class's rows, the first is the centroid.
    centroids = noise(2, 5)

    got = latents(centroids, 3).view(2, 3, 5)

    valid = FakeGenerator(5).sample_latents(4, seeds.generator(0, "variations")).view(2, 2, 5)
    assert torch.equal(got[:, 0], centroids)
    torch.testing.assert_close(got[:, 1:], 0.75 * centroids[:, None] + 0.25 * valid)


@given(st.integers(2, 12), st.integers(2, 8), st.integers(0, 99))
def test_projected_vectors_all_have_the_length_of_noise_and_their_own_class(
    classes: int, count: int, seed: int
) -> None:
    width = 4096
    centroids = project(noise(classes, width, seed))

    got = latents(centroids, count, projected=True)

    torch.testing.assert_close(got.norm(dim=1), torch.full((classes * count,), 64.0))
    nearest = torch.cdist(got, centroids).argmin(1)
    assert torch.equal(nearest, torch.arange(classes).repeat_interleave(count))
    assert len(torch.unique(got, dim=0)) == classes * count
