"""A sheet of some of a client's samples per class, drawn for a person who looks before a run.

Images and pictures are shown as they are, windows of sensor readings as lines, tokens as numbers,
questions and answers in words.
"""

import textwrap
import unicodedata
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor

from client_app.data.client_data import ClientData
from client_app.data.left_out import shown
from strategies.common.inputs import Images, Windows
from strategies.common.samples import Samples

if TYPE_CHECKING:
    from PIL import Image

MAX_CLASSES = 40
TRAINED, TESTED = 6, 3
_SIDE, _GAP, _LABEL, _HEAD = 72, 6, 130, 18
_WORDS = 58
_PAPER, _INK, _FAINT = (255, 255, 255), (20, 20, 20), (150, 150, 150)
_LINES = ((31, 119, 180), (214, 96, 39), (44, 140, 60), (130, 80, 160))


def draw(data: ClientData) -> "Image.Image":
    """Draw a line of samples for each class: some to train on, then some to test on.

    Classes beyond ``MAX_CLASSES`` are left out, those without samples are named.
    """
    from PIL import Image, ImageDraw  # noqa: PLC0415

    height = _SIDE + (_WORDS if data.train.questions else 0)
    shown_classes = min(data.num_classes, MAX_CLASSES)
    width = _LABEL + (TRAINED + TESTED) * (_SIDE + _GAP) + 3 * _GAP
    sheet = Image.new("RGB", (width, _HEAD + shown_classes * (height + _GAP) + _GAP), _PAPER)
    pen = ImageDraw.Draw(sheet)
    parts = (("to train on", data.train, TRAINED), ("to test on", data.test, TESTED))
    left = _LABEL
    cells = _Cells(data)
    for title, samples, count in parts:
        pen.text((left, 3), title, fill=_FAINT)
        for label in range(shown_classes):
            top = _HEAD + label * (height + _GAP)
            rows = (samples.labels == label).nonzero().flatten()[:count].tolist()
            for column, row in enumerate(rows):
                place = (left + column * (_SIDE + _GAP), top)
                sheet.paste(cells.picture(samples, row), place)
                if samples.questions:
                    asked = _wrapped(samples.questions[row])
                    pen.text((place[0], top + _SIDE + 2), asked, fill=_INK)
        left += count * (_SIDE + _GAP) + 2 * _GAP
    counts = [part.labels.bincount(minlength=data.num_classes) for part in (data.train, data.test)]
    for label in range(shown_classes):
        held = f"{int(counts[0][label])} + {int(counts[1][label])}"
        name = "\n".join(textwrap.wrap(_printable(data.class_names[label]), 20)[:3])
        pen.text((_GAP, _HEAD + label * (height + _GAP)), f"{name}\n{held}", fill=_INK)
    return sheet


@final
class _Cells:
    """Draws single samples, all on one scale."""

    def __init__(self, data: ClientData) -> None:
        self._inputs = data.inputs
        values = torch.cat([part.inputs.flatten() for part in (data.train, data.test)])
        self._low, self._high = float(values.min()), float(values.max())

    def picture(self, samples: Samples, row: int) -> "Image.Image":
        """Draw one sample in a square."""
        if isinstance(self._inputs, Images):
            return self._image(samples.inputs[row])
        if isinstance(self._inputs, Windows):
            return self._lines(samples.inputs[row])
        return self._numbers(samples.inputs[row])

    def _image(self, pixels: Tensor) -> "Image.Image":
        from PIL import Image  # noqa: PLC0415

        if pixels.dtype != torch.uint8:
            # Scaled to [-1, 1], or however else it was published.
            low = min(self._low, -1.0) if self._low < 0 else 0.0
            high = max(self._high, 1.0)
            pixels = ((pixels - low) / (high - low) * 255).round().to(torch.uint8)
        colours = pixels[:3] if pixels.shape[0] >= 3 else pixels[:1].expand(3, -1, -1)
        image = Image.fromarray(colours.permute(1, 2, 0).contiguous().numpy())
        scale = _SIDE / max(image.size)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        # Small images in whole pixels, so that these can be seen.
        return image.resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BOX)

    def _lines(self, window: Tensor) -> "Image.Image":
        from PIL import Image, ImageDraw  # noqa: PLC0415

        image = Image.new("RGB", (_SIDE, _SIDE), (246, 246, 246))
        pen = ImageDraw.Draw(image)
        spread = (self._high - self._low) or 1.0
        for channel, colour in zip(window, _LINES, strict=False):
            heights = (_SIDE - 3) * (1 - (channel - self._low) / spread) + 1
            steps = torch.linspace(1, _SIDE - 2, len(channel)).tolist()
            pen.line(list(zip(steps, heights.tolist(), strict=True)), fill=colour)
        return image

    def _numbers(self, tokens: Tensor) -> "Image.Image":
        from PIL import Image, ImageDraw  # noqa: PLC0415

        image = Image.new("RGB", (_SIDE, _SIDE), (246, 246, 246))
        told = " ".join(f"{number:.4g}" for number in tokens[:40].tolist())
        text = "\n".join(textwrap.wrap(told, 12)[:6])
        ImageDraw.Draw(image).text((2, 1), text, fill=_INK)
        return image


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(_printable(text), 13)[:4])


def _printable(text: str) -> str:
    """Return text in the letters that Pillow's own font has: without accents."""
    plain = unicodedata.normalize("NFKD", shown(text))
    kept = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return kept.encode("ascii", "replace").decode()
