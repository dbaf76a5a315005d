"""The federations of the table of methods, and the samples of each that are open to all."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np

from benchmarks.mnist_pool import Pool, write
from benchmarks.peer_networks import FAMILY
from client_app.data import npz

Value = bool | int | float | str

_SENSORS: Final = "sensor_cnn1,sensor_cnn,sensor_cnn3,sensor_resnet,sensor_gru"
_READERS: Final = "fasttext,text_cnn,text_lstm,text_transformer"
_OPEN_SAMPLES: Final = 1000
# Fewest samples of a tenth, to train on and to test on.
_FEWEST_TRAIN, _FEWEST_TEST = 20, 10
_TENTHS: Final = 10
_OPEN_WINDOW: Final = 5
_PARTS: Final = ("images", "labels")


@final
@dataclass(frozen=True)
class Case:
    """A federation.

    Attributes
    ----------
    clients, rounds : int
        How many.
    settings : Mapping[str, Value]
        What makes it.
    classes : int
        Of files that are written anew; 0 where the source is read as it is.
    tenths : bool
        Whether a client keeps the first tenth of such files and the second is open; else every
        fifth of its training samples is open and it keeps the others.
    has_images : bool
        Whether a generator's images can be read by its clients.
    """

    clients: int
    rounds: int
    settings: Mapping[str, Value]
    classes: int = 0
    tenths: bool = False
    has_images: bool = True

    def data(self, spec: str, folder: Path) -> Mapping[str, Value]:
        """Return the settings that name its samples.

        Parameters
        ----------
        spec : str
            The source, as of the setting ``data``.
        folder : Path
            Where to write what is not read as it is.
        """
        if not self.classes:
            return {"data": spec, "open-data": spec, "open-samples": _OPEN_SAMPLES}
        private = folder / "private"
        if not (private / "config.json").exists():
            _set_apart(Path(spec.partition(":")[2]), private, folder / "open", self)
        return {"data": f"pfllib:{private}"}

    def opened(self, folder: Path) -> Mapping[str, Value]:
        """Return the setting that names its open samples, unless all runs have it already."""
        return {"open-data": f"pfllib:{folder / 'open'}"} if self.classes else {}


CASES: Final[Mapping[str, Case]] = {
    "har": Case(
        5,
        20,
        {"models": _SENSORS, "batch-size": 16, "normalise": "channels"},
        classes=6,
        has_images=False,
    ),
    "news": Case(
        10,
        10,
        {
            "models": _READERS,
            "batch-size": 16,
            "partition": "dirichlet",
            "dirichlet-alpha": 0.5,
            "label-column": "1",
            "vocabulary": 4096,
            "text-length": 48,
        },
        has_images=False,
    ),
    "mnist": Case(20, 10, {"models": FAMILY, "batch-size": 10}, classes=10, tenths=True),
    "cifar10": Case(
        10,
        15,
        {
            "models": "cnn,resnet4,resnet8,resnet10",
            "batch-size": 16,
            "partition": "dirichlet",
            "dirichlet-alpha": 0.1,
            "max-samples": 400,
        },
    ),
}


def _set_apart(source: Path, private: Path, opened: Path, case: Case) -> None:
    """Write what each client keeps, and of its training samples what is open to all."""
    own, tests, others = [], [], []
    for client in range(case.clients):
        train, test = (_read(source / part / f"{client}.npz") for part in ("train", "test"))
        rows = np.arange(len(train.labels))
        is_open = rows % _OPEN_WINDOW == 0
        if case.tenths:
            tenth = rows // max(len(rows) // _TENTHS, _FEWEST_TRAIN)
            train, is_open = train.rows((tenth < 2).nonzero()[0]), tenth[tenth < 2] == 1
            test = test.rows(np.arange(max(len(test.labels) // _TENTHS, _FEWEST_TEST)))
        own.append(train.rows((~is_open).nonzero()[0]))
        others.append(train.rows(is_open.nonzero()[0]))
        tests.append(test)
    # All of it is read, as of one who holds it: half in each of the two files that there must be.
    every = Pool(*(np.concatenate([getattr(one, name) for one in others]) for name in _PARTS))
    rows = np.arange(len(every.labels))
    halves = [every.rows(half) for half in np.array_split(rows, 2)]
    write(opened, halves[:1], halves[1:], case.classes)
    write(private, own, tests, case.classes)


def _read(path: Path) -> Pool:
    read = npz.read(path)
    return Pool(np.asarray(read["x"]), np.asarray(read["y"]).astype(np.int64))
