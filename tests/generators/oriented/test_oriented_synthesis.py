"""From a latent to an image: contrast, layouts that last over sizes, the blur."""

import torch
from torch.nn import functional

from generators.oriented.synthesis import Synthesis, enlarge


def test_enlarging_is_doubling_with_a_blur() -> None:
    maps = torch.randn(1, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 4
    blur = torch.outer(line, line).view(1, 1, 4, 4)
    # A transposed convolution of stride 2 fills in zeros and blurs; its border differs.
    blurred = functional.conv_transpose2d(maps, blur, stride=2, padding=1)
    torch.testing.assert_close(enlarge(maps, 12)[..., 1:-1, 1:-1], blurred[..., 1:-1, 1:-1])
    assert enlarge(maps, 6) is maps


def test_images_are_finite_and_within_range_for_latents_far_out() -> None:
    synthesis = Synthesis(16, 8, torch.Generator().manual_seed(0))
    for scale in (0.0, 1.0, 1e4):
        image = synthesis(scale * torch.ones(8))
        assert image.shape == (3, 16, 16)
        assert image.abs().max() <= 1
        assert 0.2 < float(image.std()) < 0.9


def test_a_larger_image_keeps_the_layout() -> None:
    small = Synthesis(32, 16, torch.Generator().manual_seed(0))
    large = Synthesis(64, 16, torch.Generator().manual_seed(0))
    latents = torch.randn(4, 16, generator=torch.Generator().manual_seed(1))
    for latent, other in zip(latents, latents.roll(1, 0), strict=True):
        shrunk = functional.avg_pool2d(large(latent), 2).flatten()
        same = torch.corrcoef(torch.stack([shrunk, small(latent).flatten()]))[0, 1]
        stranger = torch.corrcoef(torch.stack([shrunk, small(other).flatten()]))[0, 1]
        assert same > 0.7
        assert same > stranger + 0.2


def test_an_image_has_structure_at_several_scales() -> None:
    synthesis = Synthesis(64, 64, torch.Generator().manual_seed(0))
    latents = torch.randn(6, 64, generator=torch.Generator().manual_seed(1))
    level = torch.stack([synthesis(latent) for latent in latents])
    powers = []
    while level.shape[-1] > 4:
        smaller = functional.avg_pool2d(level, 2)
        powers.append(float((level - enlarge(smaller, level.shape[-1])).square().mean()))
        level = smaller
    shares = torch.tensor([*powers, float(level.var((2, 3)).mean())])
    shares = shares / shares.sum()
    # Five bands, from 64 down to 4 pixels. White noise has three quarters of its power in
    # the first; a blur nearly all in the last.
    assert len(shares) == 5
    assert float(shares[0]) < 0.5
    assert float(shares.min()) > 0.02


def test_rounding_does_not_show_in_grey_levels() -> None:
    single = Synthesis(64, 64, torch.Generator().manual_seed(0))
    double = Synthesis(64, 64, torch.Generator().manual_seed(0)).double()
    latents = torch.randn(6, 64, generator=torch.Generator().manual_seed(1))
    for latent in latents:
        # Another device rounds differently; double precision stands in for it. One grey
        # level is 2 / 255 of the range.
        difference = (double(latent.double()) - single(latent)).abs().max()
        assert 0 < float(difference) < 2 / 255
