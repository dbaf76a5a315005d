"""What FedKTL's images would cost as JPEG or WebP, and what of them would be lost."""

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

QUALITIES: Final = (50, 75, 90)
_FORMATS: Final = ("JPEG", "WEBP")
_TITLES: Final = {"JPEG": "JPEG", "WEBP": "WebP"}

Pixels = NDArray[np.uint8]


@final
@dataclass(frozen=True)
class Loss:
    """How far decoded images are from those that were encoded.

    Attributes
    ----------
    decibels : float
        Ratio of 255 to the root of the mean square difference (PSNR); infinite without any.
    steps : float
        Mean absolute difference, of 255 steps.
    """

    decibels: float
    steps: float

    @staticmethod
    def between(one: Pixels, other: Pixels) -> "Loss":
        """Return it for images of one shape."""
        apart = one.astype(np.float64) - other
        square = float(np.square(apart).mean())
        decibels = 10 * math.log10(255**2 / square) if square else math.inf
        return Loss(decibels, float(np.abs(apart).mean()))


def recoded(picture: Pixels, kind: str, quality: int) -> tuple[int, Pixels]:
    """Encode one picture and decode it again.

    Parameters
    ----------
    picture : NDArray
        (height, width, 3) uint8.
    kind : str
        As Pillow calls it.
    quality : int
        From 0 to 100.

    Returns
    -------
    tuple[int, NDArray]
        Its length in bytes, and what came of it.
    """
    encoded = io.BytesIO()
    Image.fromarray(picture).save(encoded, kind, quality=quality)
    encoded.seek(0)
    return encoded.getbuffer().nbytes, np.asarray(Image.open(encoded).convert("RGB"))


def sheet(pictures: Pixels) -> Pixels:
    """Put pictures (pictures, height, width, 3) side by side, in rows as long as there are rows."""
    columns = math.ceil(math.sqrt(len(pictures)))
    count, height, width, channels = pictures.shape
    room = np.zeros((math.ceil(count / columns) * columns, *pictures.shape[1:]), np.uint8)
    room[:count] = pictures
    rows = room.reshape(-1, columns, height, width, channels).swapaxes(1, 2)
    return rows.reshape(-1, columns * width, channels)


def told(
    sent: Mapping[int, Tensor | None],
) -> tuple[list[str], list[list[str]]]:
    """Return titles and rows of a table.

    Parameters
    ----------
    sent : Mapping[int, Tensor | None]
        (images, 3, height, width) uint8 that one client receives, by number of classes.
    """
    titles = ["images as"]
    for classes in sent:
        titles += [f"{classes} classes: kB a client", "of the raw bytes", "PSNR", "mean error"]
    found = [list(_columns(_pixels(images))) for images in sent.values() if images is not None]
    names = [name for name, _ in found[0]]
    return titles, [
        [name, *(c for own in found for c in own[n][1])] for n, name in enumerate(names)
    ]


def _pixels(images: Tensor) -> Pixels:
    return np.ascontiguousarray(images.permute(0, 2, 3, 1).numpy())


def _columns(pictures: Pixels) -> Iterator[tuple[str, Sequence[str]]]:
    yield "uint8, as sent", (f"{pictures.nbytes / 1e3:.1f}", "100 %", "∞", "0")
    for kind in _FORMATS:
        for quality in QUALITIES:
            coded = [recoded(one, kind, quality) for one in pictures]
            name = f"{_TITLES[kind]} {quality}"
            loss = Loss.between(pictures, np.stack([decoded for _, decoded in coded]))
            yield f"{name}, each", _cells(sum(size for size, _ in coded), pictures.nbytes, loss)
            whole = sheet(pictures)
            size, decoded = recoded(whole, kind, quality)
            yield f"{name}, one sheet", _cells(size, pictures.nbytes, Loss.between(whole, decoded))


def _cells(size: int, raw: int, loss: Loss) -> Sequence[str]:
    return (
        f"{size / 1e3:.1f}",
        f"{100 * size / raw:.0f} %",
        f"{loss.decibels:.1f} dB",
        f"{loss.steps:.2f}",
    )
