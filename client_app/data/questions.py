"""Questions about images as one client's data: grids of digits, and data sets of the field."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from client_app.data import partition, split
from client_app.data.client_data import ClientData
from client_app.data.collection import digest_of
from client_app.data.digitgrid import benchmarks
from client_app.data.sources import Source
from client_app.data.vqa import image_folder, tables
from client_app.data.vqa.asked import Asked
from client_app.data.vqa.labelled import Part, label
from strategies.common import seeds
from strategies.common.settings import RunSettings

# Questions about grids per client, unless ``max-samples`` says otherwise: 900 and 300.
_GRIDS = 1200


def read(
    settings: RunSettings, source: Source, client: int, num_partitions: int, dealt: Path
) -> ClientData:
    """Read one client's questions.

    Parameters
    ----------
    settings : RunSettings
        How many, how they are dealt and split, and how long the list of answers may be.
    source : Source
        That holds questions.
    client, num_partitions : int
        Client, from 0, and clients in the federation.
    dealt : Path
        File that remembers what all clients were dealt.

    Raises
    ------
    SettingsError
        If the benchmark is unknown.
    DataError
        If the source cannot be read, has too few questions, or none with an answer.
    """
    who = f"{source.kind} {source.place}: client {client}"
    if source.kind == "digitgrid":
        return _grids(settings, source.place, client, who)
    generator = seeds.generator(settings.seed, "split", partition=client)
    digest = ""
    if source.kind == "vqa":
        parts = _own(settings, source, generator)
    else:
        hub = source.kind == "vqa-hub"
        asked = tables.from_hub(source.place) if hub else tables.from_parquet(source.folder)
        digest = digest_of(asked.first_words())
        share = partition.deal(asked.first_words(), settings, client, num_partitions, dealt)
        parts = _split(settings, asked, share.rows, generator, share.notes)
    found = label(parts.train, parts.test, settings.image_size, who, settings.max_answers)
    split.require(who, len(found.train), len(found.test), settings, "add questions")
    notes = parts.notes + found.notes
    return ClientData(
        found.train, found.test, len(found.answers), found.answers, notes, dealt=digest
    )


@final
@dataclass(frozen=True)
class _Parts:
    train: Part
    test: Part
    notes: tuple[str, ...] = ()


def _grids(settings: RunSettings, benchmark: str, client: int, who: str) -> ClientData:
    num_train, num_test = split.sizes(settings.max_samples or _GRIDS, settings.test_fraction)
    split.require(who, num_train, num_test, settings, "raise max-samples")
    train, test, answers = benchmarks.client(benchmark, client, num_train, num_test, settings.seed)
    return ClientData(train, test, len(answers), answers, ())


def _own(settings: RunSettings, source: Source, generator: torch.Generator) -> _Parts:
    """Read a folder of the device's own, whose test part may stand beside it."""
    first, second = image_folder.read(source.folder)
    if second is None:
        return _split(settings, first, torch.arange(len(first)), generator)
    num_train, num_test = len(first), len(second)
    if settings.max_samples:
        published = num_test / (num_train + num_test)
        num_train, num_test = split.sizes(settings.max_samples, published)
    return _Parts(
        Part(first, split.cut(len(first), num_train, generator)),
        Part(second, split.cut(len(second), num_test, generator)),
    )


def _split(
    settings: RunSettings,
    asked: Asked,
    share: Tensor,
    generator: torch.Generator,
    notes: tuple[str, ...] = (),
) -> _Parts:
    split.fewest(settings)
    rows = share[split.cut(len(share), settings.max_samples, generator)]
    train, test = split.split(asked.first_words()[rows], settings.test_fraction, generator)
    return _Parts(Part(asked, rows[train]), Part(asked, rows[test]), notes)
