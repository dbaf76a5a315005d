"""A client's share of a collection that is dealt to all clients."""

from pathlib import Path

from client_app.data import (
    copies,
    file_contents,
    images,
    left_out,
    open_set,
    partition,
    split,
    task_classes,
)
from client_app.data.client_data import ClientData
from client_app.data.collection import Collection
from client_app.data.collection import digest_of as digest_of_labels
from client_app.data.kept_split import digest_of
from client_app.data.sources import Source
from strategies.common import seeds
from strategies.common.samples import Samples
from strategies.common.settings import RunSettings


def read(
    settings: RunSettings, source: Source, client: int, num_partitions: int, place: Path
) -> ClientData:
    """Deal a collection, and read one client's share.

    Parameters
    ----------
    settings, source : RunSettings, Source
        How to deal, split, resize; where the collection lies.
    client, num_partitions : int
        Client, from 0, and clients in all.
    place : Path
        Folder where what all clients were dealt is remembered; what the files hold is beside it.

    Raises
    ------
    DataError
        If the collection cannot be read, or is too small for its clients.
    """
    collection = source.collection(settings)
    generator = seeds.generator(settings.seed, "split", partition=client)
    private = open_set.private_rows(len(collection.labels), settings, source)
    dealt = place / "dealt.safetensors"
    kept_open = open_set.told_of_dealing(len(collection.labels), settings, source)
    with left_out.explained((*collection.all_notes(source.kind), *kept_open)):
        task_classes.require(source, int(collection.labels.bincount().count_nonzero()))
        share = partition.deal(collection.labels[private], settings, client, num_partitions, dealt)
    rows = private[share.rows[split.cut(len(share.rows), settings.max_samples, generator)]]
    reading = collection.read(rows, settings.image_size)
    inputs = images.recolour(reading.inputs, settings.channels)
    used = rows[reading.kept]
    labels = collection.labels[used]
    groups = copies.groups(inputs)
    train, test = split.split(labels, settings.test_fraction, generator, groups)
    notes = share.notes + reading.notes + collection.all_notes(source.kind, reading.left_out)
    with left_out.explained((*notes, *kept_open)):
        split.require(source.who(client), len(train), len(test), settings, "add samples")
    contents = _contents(source, collection, place.parent)
    whole = [digest_of_labels(collection.labels), contents]
    own = [used[train].tolist(), used[test].tolist()]
    return ClientData(
        train=Samples(inputs[train], labels[train]),
        test=Samples(inputs[test], labels[test]),
        num_classes=len(collection.class_names),
        class_names=collection.class_names,
        notes=notes + copies.told(source.kind, groups[train].tolist(), groups[test].tolist()),
        vocabulary=collection.vocabulary,
        words=collection.words,
        read_as=collection.read_as,
        dealt=digest_of_labels(collection.labels, contents if collection.is_told_by_files else ""),
        split=f"dealt:{digest_of([*whole, *own])[:16]}",
    )


def _contents(source: Source, collection: Collection, cache_dir: Path) -> str:
    """Return what changes with what the files of a collection hold; empty where there are none."""
    if not collection.files:
        return ""
    # Whatever the settings, so that another run of the same files does not read them again.
    named = f"contents-{digest_of([source.kind, source.whole_place])[:16]}"
    return file_contents.contents_of(collection.files, cache_dir / named / "files.safetensors")
