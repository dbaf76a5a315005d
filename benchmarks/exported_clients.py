"""Clients of small federations on real samples, ready to leave with their models.

Local has one client for every architecture of the zoo that reads the samples. The other methods
with models of clients' own have two, with unlike models; split networks are those of the table
``split``. Sensor windows, where none are named, are the rows of digits one after another; texts
are the words of the guides in ``docs/``, read by a model of a user's own, too; a table has the
pixels of digits as columns.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import numpy as np

from client_app.data import prepared
from client_app.exporting.found import find
from client_app.exporting.taken import Taken, take
from models import catalogue
from strategies import methods
from strategies.common.inputs import Images, Inputs, Tokens, Windows
from strategies.common.run_config import default_config, read_run
from tests.loopback import Federation

Overrides = dict[str, bool | int | float | str]

_SMALL: Final[Overrides] = {
    "rounds": 1,
    "partition": "iid",
    "max-samples": 60,
    "test-fraction": 0.4,
    "client-threads": 2,
    "round-deadline-s": 3600.0,
    "fedktl.server-epochs": 20,
    "clients-per-node": 1,
}
_SPLIT: Final[Overrides] = {
    "split.width": 16,
    "split.profile": False,
    "mocosfl.batch": 10,
    "mocosfl.memory-size": 64,
    "mocosfl.semi-supervised": False,
}
_OPEN: Final[Overrides] = {"open-data": "digits", "open-samples": 100}
# By name: the settings that make it, of which the first is the method.
_METHODS: Final[Mapping[str, Overrides]] = {
    "fd": {"method": "fd"},
    "dsfl": {"method": "dsfl", **_OPEN},
    "fedmd": {"method": "fedmd", **_OPEN},
    "feddf": {"method": "feddf", "feddf.distill-steps": 20, **_OPEN},
    "fedgen": {"method": "fedgen", "fedgen.sharing": "head"},
    "fedktl": {"method": "fedktl"},
    "fedproto": {"method": "fedproto"},
    "fedproto by head": {"method": "fedproto", "fedproto.inference": "head"},
    "fedtgp": {"method": "fedtgp", "fedtgp.server-epochs": 10},
    "fedgh": {"method": "fedgh"},
    "lgfedavg": {"method": "lgfedavg"},
    "fml": {"method": "fml"},
    "fedkd": {"method": "fedkd"},
    "fedmrl": {"method": "fedmrl", "fedmrl.shared-dim": 8},
    "fedl2g": {"method": "fedl2g"},
    "splitfed": {"method": "splitfed"},
    "splitfed C4S2": {"method": "splitfed", "split.bottleneck": "C4S2", "split.codec": "uint8"},
    "splitfed vgg11": {"method": "splitfed", "split.network": "vgg11"},
    "splitfed mobilenetv2": {"method": "splitfed", "split.network": "mobilenetv2"},
    "mocosfl": {"method": "mocosfl"},
}
_UNLIKE: Final = "cnn,resnet4"
# Classifiers and networks of these lie on the server.
_SERVERS: Final = (
    *("feddf", "fedgen", "fedproto", "fedtgp", "fedgh", "lgfedavg", "fedmrl"),
    *("splitfed", "mocosfl"),
)
_WORDS: Final = 24
_VOCABULARY: Final = 400
_OWN: Final = '''
import torch
from torch import nn


class Reader(nn.Module):
    """Words that look at each other once, and their mean."""

    def __init__(self, inputs, num_classes):
        super().__init__()
        self.words = nn.Embedding(inputs.vocabulary, 32)
        self.places = nn.Parameter(torch.zeros(inputs.length, 32))
        self.layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True)

    def forward(self, tokens):
        return self.layer(self.words(tokens) + self.places).mean(1)
'''


@final
@dataclass(frozen=True)
class Client:
    """A client that has learnt.

    Attributes
    ----------
    name : str
        Method, architecture and data.
    taken : Taken
        What leaves.
    own_model : str
        What builds a model of a user's own; empty for the zoo's.
    """

    name: str
    taken: Taken
    own_model: str


@final
@dataclass(frozen=True)
class Play:
    """A federation to play.

    Attributes
    ----------
    name : str
        Method and data, as rows of the table show them.
    clients : int
        Number of clients, each of which leaves; of a split network the first, since all hold one.
    settings : Overrides
        What differs from the defaults.
    """

    name: str
    clients: int
    settings: Overrides

    def clients_of(self, folder: Path) -> Iterator[Client]:
        """Play it in a folder, and yield what leaves."""
        played = Federation(folder, self.clients, self.settings)
        played.play()
        method = str(self.settings["method"])
        state = folder / "state"
        for partition in range(1 if methods.exchanges(method) else self.clients):
            server = played.run_folder if method in _SERVERS else None
            taken = take(find(state / "test", partition), server=server, state_dir=state)
            built = taken.card.architecture
            name = f"{self.name}: {catalogue.shown(built.name)}"
            yield Client(name, taken, built.built_by if built.own else "")


def plays(specs: Sequence[str], folder: Path) -> list[Play]:
    """Return all federations.

    Parameters
    ----------
    specs : Sequence[str]
        Data sources of images or windows, each with ``@SIDE`` behind it to resize images; the
        first of images is what methods but Local learn.
    folder : Path
        Takes what is written for them.
    """
    found = [(spec, *_read(spec, folder)) for spec in specs]
    kinds = {type(inputs) for _, inputs, _ in found}
    if Windows not in kinds:
        written = f"pfllib:{_digit_windows(folder / 'windows')}"
        found.append(("rows of digits", *_read(written, folder)))
    texts = f"pfllib:{_texts(folder / 'texts')}"
    found.append(("words of docs/", *_read(texts, folder)))
    found.append(("pixels as columns", *_read(f"csv:{_table(folder / 'pixels.csv')}", folder)))
    own = folder / "reader.py"
    own.write_text(_OWN)
    every = []
    for shown, inputs, data in found:
        names = [name for name, (_, read) in catalogue.MODELS.items() if read.fits(inputs)]
        if isinstance(inputs, Tokens):
            names.append(f"{own}:Reader")
        settings = {**_SMALL, **data, "method": "local", "models": ",".join(names)}
        every.append(Play(f"local, {shown}", len(names), settings))
    images = [data for _, inputs, data in found if isinstance(inputs, Images)]
    for name, changes in _METHODS.items() if images else ():
        split = _SPLIT if methods.exchanges(str(changes["method"])) else {}
        settings = {**_SMALL, **images[0], "models": _UNLIKE, "rounds": 2, **split, **changes}
        every.append(Play(name, 2, settings))
    return every


def _read(spec: str, folder: Path) -> tuple[Inputs, Overrides]:
    """Return what one input of a source is, and the settings that name it."""
    source, _, side = spec.rpartition("@") if re.search(r"@\d+$", spec) else (spec, "", "0")
    data: Overrides = {"data": source, "image-size": int(side)}
    settings = read_run({**default_config(), **_SMALL, **data})
    # As many clients as there may be, so that no more than their share is decoded.
    client = prepared.load(settings, source, 0, len(catalogue.MODELS), folder / "looked-at")
    return client.inputs, data


def _digit_windows(folder: Path) -> Path:
    from sklearn.datasets import load_digits  # noqa: PLC0415 - only where nothing else is named

    digits = load_digits()
    rows = digits.data.astype(np.float32)[:, None, None, :] / 16.0
    return _written(folder, rows[:200], digits.target[:200], {"num_classes": 10})


def _table(path: Path) -> Path:
    from sklearn.datasets import load_digits  # noqa: PLC0415 - as above

    digits = load_digits()
    lines = [",".join(["label", *(f"pixel{place}" for place in range(64))])]
    for row, label in zip(digits.data[:600], digits.target[:600], strict=True):
        lines.append(",".join([f"digit {label}", *(f"{value:.1f}" for value in row)]))
    path.write_text("\n".join(lines))
    return path


def _texts(folder: Path) -> Path:
    """Write runs of words of each guide, by rank; its class is the guide."""
    guides = sorted((Path(__file__).parent.parent / "docs").glob("*.md"))
    words = [re.findall(r"[a-z]+", guide.read_text().lower()) for guide in guides]
    counts = Counter(word for text in words for word in text)
    ranks = {word: rank for rank, (word, _) in enumerate(counts.most_common(_VOCABULARY - 1), 1)}
    rows, labels = [], []
    for label, text in enumerate(words):
        for start in range(0, min(len(text), 40 * _WORDS) - _WORDS + 1, _WORDS):
            rows.append([ranks.get(word, 0) for word in text[start : start + _WORDS]])
            labels.append(label)
    config = {"num_classes": len(guides), "vocabulary": _VOCABULARY}
    return _written(folder, np.array(rows), np.array(labels), config)


def _written(
    folder: Path, inputs: "np.ndarray[Any, Any]", labels: "np.ndarray[Any, Any]", config: object
) -> Path:
    """Write clients that hold the same in PFLlib's layout, every third sample to test on."""
    tested = np.arange(len(labels)) % 3 == 0
    for part, rows in (("train", ~tested), ("test", tested)):
        data = np.empty((), dtype=object)
        data[()] = {"x": inputs[rows], "y": labels[rows].astype(np.int64)}
        (folder / part).mkdir(parents=True)
        # One for each architecture that may read them.
        for client in range(len(catalogue.MODELS)):
            np.savez(folder / part / f"{client}.npz", data=data)
    (folder / "config.json").write_text(json.dumps(config))
    return folder
