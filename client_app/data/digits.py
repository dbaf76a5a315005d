"""The embedded default: scikit-learn's real handwritten digits, without any network.

1797 grey images of 8x8 pixels in 10 classes (Alpaydin and Kaynak, "Optical Recognition of
Handwritten Digits", UCI Machine Learning Repository, 1998; its test part).
"""

import torch
from torch import Tensor

from client_app.data import images
from client_app.data.collection import Collection, Reading
from strategies.common.errors import DataError

# The source counts ink in 4x4 blocks of a scan, so its values run from 0 to 16.
FULL_INK = 16.0


def read() -> Collection:
    """Return the digits as uint8 images of one channel, ink scaled to 0..255.

    Raises
    ------
    DataError
        If scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits  # noqa: PLC0415
    except ImportError:
        raise DataError(
            "digits: expected scikit-learn, which holds them, to be installed; install the "
            "project with its simulation extra, or name another data source"
        ) from None
    bunch = load_digits()
    ink = torch.from_numpy(bunch.images).unsqueeze(1)
    pixels = (ink * (255.0 / FULL_INK)).round().to(torch.uint8)
    labels = torch.from_numpy(bunch.target).to(torch.int64)

    def read_rows(rows: Tensor, image_size: int) -> Reading:
        return Reading(images.resize(pixels[rows], image_size), torch.arange(len(rows)))

    return Collection(labels, tuple(str(name) for name in bunch.target_names), read_rows)
