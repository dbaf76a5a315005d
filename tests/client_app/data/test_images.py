import io
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from client_app.data import images
from strategies.common.errors import DataError


def _encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_pixels_arrive_as_they_were(tmp_path: Path) -> None:
    colours = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    contents = _encoded(Image.fromarray(colours))
    decoded = images.decode(contents)
    assert decoded.dtype == torch.uint8
    assert decoded.shape == (3, 2, 3)
    assert torch.equal(decoded, torch.from_numpy(colours).permute(2, 0, 1))
    (tmp_path / "a.png").write_bytes(contents)
    assert torch.equal(images.decode(tmp_path / "a.png"), decoded)


@pytest.mark.parametrize(
    ("mode", "channels"), [("L", 1), ("1", 1), ("LA", 1), ("RGB", 3), ("RGBA", 3), ("P", 3)]
)
def test_channels_follow_the_file_unless_asked_for(mode: str, channels: int) -> None:
    contents = _encoded(Image.new(mode, (5, 4)))
    assert images.decode(contents).shape == (channels, 4, 5)
    assert images.decode(contents, 1).shape == (1, 4, 5)
    assert images.decode(contents, 3).shape == (3, 4, 5)


def test_photographs_are_turned_upright() -> None:
    # Orientation 6: the camera was turned, so the stored top left corner is top right.
    stored = Image.new("L", (4, 2))
    stored.putpixel((0, 0), 255)
    exif = Image.Exif()
    exif[0x0112] = 6
    decoded = images.decode(_encoded(stored, exif=exif))
    assert decoded.shape == (1, 4, 2)
    assert decoded[0, 0, 1] == 255


def test_a_palette_with_transparent_bytes_is_read_without_a_warning() -> None:
    palette = Image.new("P", (2, 2))
    palette.putpalette([200, 10, 10, 10, 200, 10])
    decoded = images.decode(_encoded(palette, transparency=bytes([0, 255])))
    assert decoded[:, 0, 0].tolist() == [200, 10, 10]


@pytest.mark.parametrize(
    "contents", [b"", b"GIF89a", b"no image", _encoded(Image.new("L", (9, 9)))[:40]]
)
def test_a_damaged_file_is_refused(contents: bytes) -> None:
    with pytest.raises(DataError):
        images.decode(contents)


def test_sixteen_bits_are_refused() -> None:
    deep = Image.fromarray(np.full((3, 3), 40_000, dtype=np.uint16))
    with pytest.raises(DataError, match="8 bits per channel, got mode I"):
        images.decode(_encoded(deep))


def test_a_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    with pytest.raises(DataError, match="DecompressionBomb"):
        images.decode(_encoded(Image.new("L", (9, 9))))


def test_grey_joins_colour_as_three_equal_channels() -> None:
    grey = torch.full((1, 2, 2), 7, dtype=torch.uint8)
    colour = torch.zeros(3, 2, 2, dtype=torch.uint8)
    together = images.stack([grey, colour], "here")
    assert together.shape == (2, 3, 2, 2)
    assert together[0].unique().tolist() == [7]
    assert images.stack([grey, grey], "here").shape == (2, 1, 2, 2)


def test_unlike_sizes_need_an_image_size() -> None:
    unlike = [torch.zeros(1, 2, 3, dtype=torch.uint8), torch.zeros(1, 4, 4, dtype=torch.uint8)]
    with pytest.raises(DataError, match=r"here: .* 2 sizes from 3x2 to 4x4 pixels; set image-size"):
        images.stack(unlike, "here")


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_grey_and_colour_are_what_decoding_in_them_gives(mode: str) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (5, 4) + ((3,) if mode == "RGB" else ()), dtype=np.uint8)
    contents = _encoded(Image.fromarray(pixels))
    decoded = images.decode(contents).unsqueeze(0)
    for channels in (1, 3):
        turned = images.recolour(decoded, channels)
        assert torch.equal(turned[0], images.decode(contents, channels))
        # Floats are scaled bytes: they turn as these do, but for the rounding.
        floats = images.recolour(decoded.float() / 127.5 - 1, channels)
        assert torch.allclose((floats + 1) * 127.5, turned.float(), atol=0.51)
    assert images.recolour(decoded, 0) is decoded


def test_halving_averages_with_a_triangle() -> None:
    # Antialiased halving weights inputs by a triangle of half-width 2 pixels, centred between
    # two inputs: 1.5 : 1.5 : 0.5 at the left border, normalised. Row 0, 0, 80, 80 gives
    # (0.5 * 80) / 3.5 = 11.43 on the left and 80 - 11.43 = 68.57 on the right.
    row = torch.tensor([0, 0, 80, 80], dtype=torch.uint8)
    square = row.expand(1, 1, 4, 4)
    small = images.resize(square, 2)
    assert small.dtype == torch.uint8
    assert small[0, 0].tolist() == [[11, 69], [11, 69]]
    exact = images.resize(square.to(torch.float32), 2)
    assert exact[0, 0, 0].tolist() == pytest.approx([80 / 7, 480 / 7], rel=1e-5)


@given(st.integers(0, 255), st.integers(1, 20), st.integers(1, 20), st.integers(1, 24))
@settings(max_examples=30, deadline=None)
def test_a_flat_image_stays_flat(value: int, height: int, width: int, side: int) -> None:
    flat = torch.full((2, 3, height, width), value, dtype=torch.uint8)
    resized = images.resize(flat, side)
    assert resized.shape == (2, 3, side, side)
    assert resized.unique().tolist() == [value]


def test_the_own_size_is_untouched() -> None:
    pixels = torch.arange(16, dtype=torch.uint8).reshape(1, 1, 4, 4)
    assert images.resize(pixels, 0) is pixels
    assert images.resize(pixels, 4) is pixels
