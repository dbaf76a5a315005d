"""MNIST as one pool of images, of which benchmarks deal clients their own."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from client_app.data import npz

CLASSES: Final = 10


@final
@dataclass(frozen=True)
class Pool:
    """Images (samples, channels, height, width) uint8, and their labels (samples,) int64."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def rows(self, rows: NDArray[np.int64]) -> "Pool":
        """Return some of them."""
        return Pool(self.images[rows], self.labels[rows])


def pooled(folder: Path) -> Pool:
    """Return all images of PFLlib's folder, where floats from -1 to 1 are bytes again."""
    read = [npz.read(path) for path in sorted(folder.glob("t*/*.npz"))]
    images = np.concatenate([np.asarray(one["x"]) for one in read])
    labels = np.concatenate([np.asarray(one["y"]) for one in read]).astype(np.int64)
    return Pool(((images + 1) * 127.5).round().astype(np.uint8), labels)


def write(place: Path, own: Sequence[Pool], tests: Sequence[Pool], classes: int = CLASSES) -> None:
    """Write what clients were dealt as PFLlib does, ``config.json`` last.

    Parameters
    ----------
    place : Path
        Folder to write.
    own, tests : Sequence[Pool]
        Training and test samples of each client.
    classes : int
        Of the task.
    """
    for part, every in (("train", own), ("test", tests)):
        (place / part).mkdir(parents=True, exist_ok=True)
        for client, one in enumerate(every):
            content = np.array({"x": one.images, "y": one.labels})
            np.savez_compressed(place / part / f"{client}.npz", data=content)
    (place / "config.json").write_text(json.dumps({"num_classes": classes}))
