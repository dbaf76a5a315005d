"""A device's own samples, each on the side of its split on which it was before."""

from collections.abc import Sequence

import torch
from torch import Tensor

from client_app.data import copies, images, left_out, split, task_classes
from client_app.data.client_data import ClientData
from client_app.data.keeper import Keeper
from client_app.data.kept_split import TEST, TRAIN, UNREAD, Identity
from client_app.data.sources import Source
from strategies.common import seeds
from strategies.common.samples import Samples
from strategies.common.settings import RunSettings


def read(settings: RunSettings, source: Source, client: int, kept: Keeper) -> ClientData:
    """Read a device's own samples, and put those that are new on a side.

    Parameters
    ----------
    settings, source : RunSettings, Source
        How to split and resize; where the samples lie.
    client : int
        From 0.
    kept : Keeper
        Knows on which side each sample was before.

    Raises
    ------
    DataError
        If they cannot be read, or are too few.
    """
    split.fewest(settings)
    collection = source.collection(settings)
    task_classes.require(source, len(collection.class_names))
    samples = collection.identities() if collection.identities else []
    generator = seeds.generator(settings.seed, "split", partition=client)
    seating = kept.seat(samples)
    rows = (
        split.cut(len(samples), settings.max_samples, generator)
        if seating is None
        else torch.tensor(seating.positions, dtype=torch.int64)
    )
    reading = collection.read(rows, settings.image_size)
    inputs = images.recolour(reading.inputs, settings.channels)
    labels = collection.labels[rows[reading.kept]]
    sides = torch.full((len(rows),), UNREAD)
    groups = copies.groups(inputs)
    if seating is None:
        train, test = split.split(labels, settings.test_fraction, generator, groups)
        sides[reading.kept[train]], sides[reading.kept[test]] = TRAIN, TEST
    else:
        places = reading.kept.tolist()
        dealt = [kept.side(samples[seating.positions[p]], seating.seats[p]) for p in places]
        known = [seating.is_known(place) for place in places]
        sides[reading.kept] = torch.tensor(copies.together(dealt, known, groups.tolist()))
        train, test = ((sides[reading.kept] == side).nonzero().flatten() for side in (TRAIN, TEST))
    beyond = {f"beyond max-samples={settings.max_samples}": _others(samples, rows)}
    notes = collection.all_notes(source.kind, reading.left_out, beyond)
    with left_out.explained(notes):
        split.require(source.who(client), len(train), len(test), settings, "add samples")
    settled = kept.settle(samples, rows.tolist(), sides.tolist())
    return ClientData(
        train=Samples(inputs[train], labels[train]),
        test=Samples(inputs[test], labels[test]),
        num_classes=len(collection.class_names),
        class_names=collection.class_names,
        notes=settled.notes
        + notes
        + reading.notes
        + copies.told(source.kind, groups[train].tolist(), groups[test].tolist()),
        vocabulary=collection.vocabulary,
        words=collection.words,
        read_as=collection.read_as,
        split=settled.split,
        contents=settled.contents,
        standing=settled.standing[reading.kept[train]],
        num_first_train=settled.num_first_train,
    )


def _others(samples: Sequence[Identity], rows: Tensor) -> list[str]:
    used = set(rows.tolist())
    # What has no name but what it holds is told by its place.
    return [
        f"row {row + 1}" if sample.name == sample.digest else sample.name
        for row, sample in enumerate(samples)
        if row not in used
    ]
