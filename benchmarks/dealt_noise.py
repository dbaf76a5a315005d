"""Images of noise, of which clients hold classes as a Dirichlet distribution deals them.

What a method sends depends on who holds which classes and not on what the images show, nor on how
many there are of each.
"""

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.mnist_pool import Pool, write

SHAPE: Final = (3, 32, 32)
CLIENTS: Final = 20
# Of CIFAR-10 and CIFAR-100 together, training and test.
_POOLED: Final = 60_000
_ALPHA: Final = 0.1
_FEWEST: Final = 24
_TESTED: Final = 10


def holdings(classes: int, seed: int = 1) -> list[NDArray[np.int64]]:
    """Return the classes of which each client would get a sample of 60,000.

    Parameters
    ----------
    classes : int
        Classes of the task, with as many samples each.
    seed : int
        Another seed deals otherwise.
    """
    order = np.random.default_rng(seed)
    shares = order.dirichlet([_ALPHA] * CLIENTS, size=classes)
    dealt = np.stack([order.multinomial(_POOLED // classes, own / own.sum()) for own in shares])
    return [np.flatnonzero(dealt[:, client]) for client in range(CLIENTS)]


def write_clients(place: Path, held: Sequence[NDArray[np.int64]], classes: int) -> None:
    """Write a few images of each class that a client holds, PFLlib's way.

    Parameters
    ----------
    place : Path
        Folder to write.
    held : Sequence[NDArray]
        Classes of each client, at least one.
    classes : int
        Classes of the task.
    """
    order = np.random.default_rng(0)
    own = [_noise(np.repeat(one, ceil(_FEWEST / len(one))), order) for one in held]
    tests = [_noise(np.resize(one, _TESTED), order) for one in held]
    write(place, own, tests, classes)


def write_open(place: Path, count: int, classes: int) -> None:
    """Write images without labels of any meaning, in folders of classes as a source expects."""
    order = np.random.default_rng(1)
    for number in range(count):
        path = place / f"{number % classes:03d}" / f"{number:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = order.integers(256, size=SHAPE, dtype=np.uint8)
        Image.fromarray(pixels.transpose(1, 2, 0)).save(path)


def _noise(labels: NDArray[np.int64], order: np.random.Generator) -> Pool:
    return Pool(order.integers(256, size=(len(labels), *SHAPE), dtype=np.uint8), labels)
