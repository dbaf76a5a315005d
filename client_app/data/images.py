"""Image files to uint8 tensors: decoding, a common shape and resizing."""

import io
import re
import warnings
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from strategies.common.errors import DataError

GREY_MODES = ("1", "L", "LA", "La")

# What an image is left out for; each reads on from a number.
TOO_DEEP = "with 16 or more bits per channel"
DAMAGED = "that cannot be decoded"
_EIGHT_BITS = "expected 8 bits per channel"
# How Pillow names contents that lie in no file.
_IN_MEMORY = re.compile(r" <_io\.BytesIO object at 0x[0-9a-f]+>", re.IGNORECASE)


def decode(source: bytes | Path, channels: int | None = None) -> Tensor:
    """Decode one image file, turned upright as its EXIF orientation says.

    Parameters
    ----------
    source : bytes | Path
        A file, or its contents.
    channels : int | None
        1 for grey, 3 for colour; ``None`` keeps what the file has.

    Returns
    -------
    Tensor
        (channels, height, width) uint8.

    Raises
    ------
    DataError
        With the reason, if it cannot be decoded.
    """
    import numpy as np  # noqa: PLC0415
    from PIL import Image, ImageOps  # noqa: PLC0415

    try:
        with warnings.catch_warnings(), Image.open(_file(source)) as opened:
            # Pillow only warns of an image that is too large to be honest up to some size.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            if opened.mode.startswith(("I", "F")):
                # Pillow would clip 16 bits to 8, which leaves most such images white.
                raise DataError(f"{_EIGHT_BITS}, got mode {opened.mode}")
            image: Image.Image = ImageOps.exif_transpose(opened)
            grey = channels == 1 or (channels is None and opened.mode in GREY_MODES)
            if image.has_transparency_data:
                image = image.convert("RGBA")
            pixels = torch.from_numpy(np.array(image.convert("L" if grey else "RGB")))
    except DataError:
        raise
    except Exception as error:  # a damaged file may raise anything inside a decoder
        told = _IN_MEMORY.sub("", str(error))
        raise DataError(f"{type(error).__name__}: {told}") from None
    return pixels.unsqueeze(0) if grey else pixels.permute(2, 0, 1).contiguous()


def read(source: bytes | Path, channels: int | None, side: int) -> Tensor:
    """Decode one image file and resize it: (channels, height, width) uint8.

    Parameters
    ----------
    source, channels
        As of :func:`decode`.
    side : int
        As of :func:`resize`.

    Raises
    ------
    DataError
        With the reason, if it cannot be decoded.
    """
    return resize(decode(source, channels).unsqueeze(0), side)[0]


def reason(error: DataError) -> str:
    """Return the reason for which :func:`decode` refused an image, without its particulars."""
    return TOO_DEEP if str(error).startswith(_EIGHT_BITS) else DAMAGED


@cache
def is_decoded(suffix: str) -> bool:
    """Tell whether Pillow here, with its plugins, decodes files of a suffix."""
    from PIL import Image  # noqa: PLC0415

    return suffix in Image.registered_extensions()


def is_coloured(path: Path) -> bool:
    """Tell from the beginning of an image file whether it has colours; one that is none has not."""
    from PIL import Image  # noqa: PLC0415

    try:
        with Image.open(path) as opened:
            return opened.mode not in GREY_MODES
    except Exception:  # a damaged file may raise anything inside a decoder
        return False


def stack(images: list[Tensor], where: str) -> Tensor:
    """Put images of one size together: (samples, channels, height, width).

    Grey ones become colour images with three equal channels where any is coloured.

    Raises
    ------
    DataError
        If their sizes differ.
    """
    sizes = {tuple(image.shape[1:]) for image in images}
    if len(sizes) > 1:
        (low_height, low_width), (high_height, high_width) = min(sizes), max(sizes)
        raise DataError(
            f"{where}: expected images of one size, got {len(sizes)} sizes from "
            f"{low_width}x{low_height} to {high_width}x{high_height} pixels; set image-size to "
            f"the side to which all are resized"
        )
    channels = max(image.shape[0] for image in images)
    return torch.stack([image.expand(channels, -1, -1) for image in images])


def recolour(inputs: Tensor, channels: int) -> Tensor:
    """Return images in grey or colour, grey as Pillow and ITU-R BT.601 weigh the colours.

    Parameters
    ----------
    inputs : Tensor
        (samples, 1 or 3, height, width), uint8 or float32; what is no image stays as it is.
    channels : int
        1 for grey, 3 for colour; 0 keeps what there is.

    Returns
    -------
    Tensor
        (samples, channels, height, width) of the same dtype.
    """
    if inputs.ndim != 4 or channels in (0, inputs.shape[1]):
        return inputs
    if channels == 3:
        return inputs.expand(-1, 3, -1, -1).contiguous()
    weights = torch.tensor([19595, 38470, 7471], device=inputs.device).view(1, 3, 1, 1)
    if inputs.dtype == torch.uint8:
        grey = (inputs.to(torch.int32) * weights.to(torch.int32)).sum(1, keepdim=True)
        return ((grey + 0x8000) >> 16).to(torch.uint8)
    return (inputs * (weights / 2**16)).sum(1, keepdim=True)


def resize(inputs: Tensor, side: int) -> Tensor:
    """Resize to a square of a side in pixels, with antialiasing; 0 keeps the size.

    An image that is not square is squeezed into one: nothing is cropped.

    Parameters
    ----------
    inputs : Tensor
        (samples, channels, height, width), uint8 or float32.
    side : int
        Height and width of the result.

    Returns
    -------
    Tensor
        (samples, channels, side, side) of the same dtype; uint8 is rounded and clamped.
    """
    if side == 0 or tuple(inputs.shape[2:]) == (side, side):
        return inputs
    resized = functional.interpolate(
        inputs.to(torch.float32), size=(side, side), mode="bilinear", antialias=True
    )
    if inputs.dtype == torch.uint8:
        return resized.round_().clamp_(0, 255).to(torch.uint8)
    return resized


def _file(source: bytes | Path) -> io.BytesIO | Path:
    return io.BytesIO(source) if isinstance(source, bytes) else source
