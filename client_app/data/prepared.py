"""One client's data, prepared on first use and read back ever after.

On a device every message is a new process, so decoding, dealing and splitting happen once
and leave ``<cache-dir>/<fingerprint>/<partition>.safetensors``; later messages map that
file into memory and import nothing but torch. Folders of other fingerprints are left
alone, since other runs may use them, and may be deleted at any time.
"""

from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor

from client_app.data import images, partition, pfllib, questions, split
from client_app.data.client_data import ClientData, from_file, to_file
from client_app.data.collection import Collection, digest_of
from client_app.data.fingerprint import fingerprint
from client_app.data.sources import SOURCES, Source, parse
from strategies.common import seeds, tensor_file
from strategies.common.errors import DataError, NectarError, StoreError
from strategies.common.inputs import Images, Inputs, inputs_of
from strategies.common.samples import Samples
from strategies.common.settings import RunSettings


def load(
    settings: RunSettings, spec: str, partition: int, num_partitions: int, cache_dir: Path
) -> ClientData:
    """Return one client's data.

    Parameters
    ----------
    settings : RunSettings
        How to partition, split and resize; its ``data`` is not read.
    spec : str
        Data source, e.g. ``"digits"`` or ``"folder:/data/cats-and-dogs"``.
    partition, num_partitions : int
        Client, from 0, and clients in the federation.
    cache_dir : Path
        Where prepared data is kept on this device.

    Raises
    ------
    SettingsError
        If the source is unknown.
    DataError
        If the source cannot be read, or is too small for its clients.
    StoreError
        If ``cache_dir`` cannot be written.
    """
    source = parse(spec)
    named = fingerprint(settings, source, partition, num_partitions)
    stored = cache_dir / named / f"{partition}.safetensors"
    repaired: tuple[str, ...] = ()
    if _exists(stored):
        try:
            return from_file(*tensor_file.read(stored))
        except StoreError as error:
            repaired = (f"{error}; this client's data was prepared again",)
    scanned = stored.with_name("classes.safetensors")
    dealt = stored.with_name("dealt.safetensors")
    if source.reader is pfllib:
        data = _published(settings, source.folder, partition, scanned)
    elif source.reader is questions:
        if settings.channels == 1:
            raise DataError(
                "setting channels: expected 0 or 3 with questions, since foundation models read "
                "pictures in colour, got 1"
            )
        data = questions.read(settings, source, partition, num_partitions, dealt)
    else:
        data = _prepare(settings, source, partition, num_partitions, dealt)
    _write(stored, *to_file(data))
    return replace(data, notes=data.notes + repaired)


def import_for(settings: RunSettings, num_partitions: int, cache_dir: Path) -> None:
    """Import what preparing a federation's data will import, unless all of it is prepared.

    A process that forks itself for its clients imports it once for all of them. What is not
    installed, and a source that cannot be read, are for the clients to tell.
    """
    with suppress(NectarError):
        source = parse(settings.data)
        libraries = [
            name
            for name in source.libraries
            if name != "flwr_datasets" or partition.takes_flwr_datasets(settings)
        ]
        if not libraries:
            return
        places = (
            cache_dir / fingerprint(settings, source, client, num_partitions)
            for client in range(num_partitions)
        )
        if not all(_exists(p / f"{client}.safetensors") for client, p in enumerate(places)):
            for library in libraries:
                with suppress(ImportError):
                    import_module(library)


def _prepare(
    settings: RunSettings, source: Source, client: int, num_partitions: int, dealt: Path
) -> ClientData:
    kind = SOURCES[source.kind]
    told = (settings.channels,) if kind.decodes else ()
    collection: Collection = source.reader.read(*source.arguments, *told)
    generator = seeds.generator(settings.seed, "split", partition=client)
    if kind.dealt_by:
        split.fewest(settings)
        share = partition.Share(torch.arange(len(collection.labels)), ())
    else:
        share = partition.deal(collection.labels, settings, client, num_partitions, dealt)
    rows = share.rows[split.cut(len(share.rows), settings.max_samples, generator)]
    reading = collection.read(rows, settings.image_size)
    inputs = images.recolour(reading.inputs, settings.channels)
    labels = collection.labels[rows[reading.kept]]
    train, test = split.split(labels, settings.test_fraction, generator)
    who = f"{source.kind} {source.place}".strip() + f": client {client}"
    split.require(who, len(train), len(test), settings, "add images")
    return ClientData(
        train=Samples(inputs[train], labels[train]),
        test=Samples(inputs[test], labels[test]),
        num_classes=len(collection.class_names),
        class_names=collection.class_names,
        notes=share.notes + reading.notes,
        dealt="" if kind.dealt_by else digest_of(collection.labels, collection.identity),
    )


def _published(settings: RunSettings, place: Path, client: int, scanned: Path) -> ClientData:
    train, test = pfllib.read(place, client)
    declared = pfllib.declared_classes(place)
    num_classes = declared or _scanned_classes(place, scanned)
    highest = max(int(train.labels.max()), int(test.labels.max()))
    if highest >= num_classes:
        raise DataError(
            f"pfllib {place}: expected labels below the {num_classes} classes of config.json, "
            f"client {client} has {highest}"
        )
    train, test = _cut(settings, train, test, client)
    who = f"pfllib {place}: client {client}"
    split.require(who, len(train), len(test), settings, "leave this client out")
    names = pfllib.class_names(place, num_classes)
    vocabulary = pfllib.vocabulary(place, train, test)
    inputs = inputs_of(train.inputs, vocabulary)
    notes = pfllib.range_note(place, train)
    train, test = (_as_pictures(part, inputs, settings) for part in (train, test))
    shapes = [tuple(part.inputs.shape[1:]) for part in (train, test)]
    if shapes[0] != shapes[1]:
        raise DataError(
            f"{who}: expected x of one shape to learn from and to test on, got {shapes[0]} and "
            f"{shapes[1]}; pad or cut them alike"
        )
    return ClientData(train, test, num_classes, names, notes, vocabulary, counted=declared is None)


def _cut(
    settings: RunSettings, train: Samples, test: Samples, client: int
) -> tuple[Samples, Samples]:
    count = len(train) + len(test)
    if settings.max_samples == 0 or count <= settings.max_samples:
        return train, test
    split.fewest(settings)
    generator = seeds.generator(settings.seed, "split", partition=client)
    # The published proportion of test samples is kept.
    num_train, num_test = split.sizes(settings.max_samples, len(test) / count)
    first = split.cut(len(train), num_train, generator)
    second = split.cut(len(test), num_test, generator)
    return (
        Samples(train.inputs[first], train.labels[first]),
        Samples(test.inputs[second], test.labels[second]),
    )


def _as_pictures(samples: Samples, inputs: Inputs, settings: RunSettings) -> Samples:
    side, channels = settings.image_size, settings.channels
    if not side and not channels:
        return samples
    if not isinstance(inputs, Images) or inputs.channels not in (1, 3):
        name = "image-size" if side else "channels"
        raise DataError(
            f"setting {name}: expected 0 for inputs that are no pictures of one or three "
            f"channels, got {side or channels} for {inputs}"
        )
    resized = images.resize(samples.inputs, side)
    return Samples(images.recolour(resized, channels), samples.labels)


def _scanned_classes(place: Path, remembered: Path) -> int:
    if _exists(remembered):
        try:
            return int(tensor_file.read(remembered)[1]["num_classes"])
        except StoreError:
            pass  # it is damaged, and written again below
    num_classes = pfllib.scanned_classes(place)
    _write(remembered, {}, {"num_classes": str(num_classes)})
    return num_classes


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a folder that may not even be searched; writing to it says so
        return False


def _write(path: Path, tensors: dict[str, Tensor], text: dict[str, str]) -> None:
    try:
        tensor_file.write(path, tensors, text)
    except (OSError, StoreError) as error:
        raise StoreError(
            f"prepared data cannot be kept in {path.parent.parent}: {error}; make that folder "
            f"writable, or name another state-dir in the node config"
        ) from None
