"""One client's data, prepared on first use and read back ever after.

On a device every message is a new process, so decoding, dealing and splitting happen once
and leave ``<cache-dir>/<fingerprint>/<partition>.safetensors``; later messages map that
file into memory and import nothing but torch. Folders of other fingerprints are left
alone, since other runs may use them, and may be deleted at any time. What may not is
``splits/`` beside ``<cache-dir>``: it says which samples of a device's own are tested on.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor

from client_app.data import (
    copies,
    file_contents,
    images,
    keeper,
    left_out,
    open_set,
    partition,
    pfllib,
    pfllib_config,
    published,
    questions,
    split,
    task_classes,
    unread,
)
from client_app.data.client_data import ClientData, from_file, to_file
from client_app.data.collection import Collection
from client_app.data.collection import digest_of as digest_of_labels
from client_app.data.fingerprint import fingerprint
from client_app.data.keeper import Keeper
from client_app.data.kept_split import TEST, TRAIN, UNREAD, Identity, digest_of
from client_app.data.left_out import LeftOut
from client_app.data.sources import SOURCES, Source, parse
from strategies.common import seeds, tensor_file
from strategies.common.errors import DataError, NectarError, SettingsError, StoreError
from strategies.common.samples import Samples
from strategies.common.settings import RunSettings


def load(
    settings: RunSettings,
    spec: str,
    partition: int,
    num_partitions: int,
    cache_dir: Path,
    answers: Sequence[str] = (),
) -> ClientData:
    """Return one client's data.

    Parameters
    ----------
    settings : RunSettings
        How to partition, split, resize and resample; its ``data`` is not read.
    spec : str
        Data source, e.g. ``"digits"`` or ``"folder:/data/cats-and-dogs"``.
    partition, num_partitions : int
        Client, from 0, and clients in the federation.
    cache_dir : Path
        Where prepared data is kept on this device.
    answers : Sequence[str]
        What a client that answers questions may answer, where that is settled; empty lists the
        most frequent answers of its training data.

    Raises
    ------
    SettingsError
        If the source is unknown, or devices would keep their state within it.
    DataError
        If the source cannot be read, or is too small for its clients.
    StoreError
        If ``cache_dir`` or the folder of splits beside it cannot be written.
    """
    source = parse(spec)
    _require_apart(source, cache_dir.parent)
    named = fingerprint(settings, source, partition, num_partitions)
    stored = cache_dir / named / f"{partition}.safetensors"
    splits = cache_dir.with_name(keeper.FOLDER)
    kept = Keeper(settings, source, partition, splits) if source.is_own else None
    found, repaired = _stored(stored, kept)
    if found and answers and found.class_names != tuple(answers):
        stored = stored.with_stem(f"{partition}-{digest_of(list(answers))[:16]}")
        found, repaired = _stored(stored, kept)
    if found:
        unread.require(settings, source, found.inputs)
        return found
    if kept is not None and source.reader is pfllib:
        scanned = stored.with_name("classes.safetensors")
        declared = pfllib_config.declared_classes(source.folder)
        classes = declared or _scanned_classes(source, scanned)
        task_classes.require(source, classes)
        data = published.read(settings, source, partition, classes, kept)
        data = replace(_with_copies_told(source, data), counted=declared is None)
    elif source.reader is questions:
        if settings.channels == 1:
            raise DataError(
                "setting channels: expected 0 or 3 with questions, since foundation models read "
                "pictures in colour, got 1"
            )
        client = questions.Client(settings, source, partition, num_partitions)
        data = questions.read(client, stored.with_name("dealt.safetensors"), kept, answers)
        data = _with_copies_told(source, data)
    elif kept is not None:
        data = _own(settings, source, partition, kept)
    else:
        data = _dealt(settings, source, partition, num_partitions, stored.parent)
    unread.require(settings, source, data.inputs)
    _write(stored, *to_file(data))
    return replace(data, notes=data.notes + repaired)


def import_for(settings: RunSettings, num_partitions: int, cache_dir: Path) -> None:
    """Import what preparing a federation's data will import, unless all of it is prepared.

    A process that forks itself for its clients imports it once for all of them. What is not
    installed, and a source that cannot be read, are for the clients to tell.
    """
    with suppress(NectarError):
        source = parse(settings.data)
        dealing = partition.libraries(settings) if source.is_dealt else ()
        libraries = (*source.libraries, *dealing)
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


def _stored(path: Path, kept: Keeper | None) -> tuple[ClientData | None, tuple[str, ...]]:
    """Return what was prepared if it is whole and of the split that is kept, and what was not."""
    if not _exists(path):
        return None, ()
    try:
        data = from_file(*tensor_file.read(path))
    except StoreError as error:
        return None, (f"{error}; this client's data was prepared again",)
    return (data if kept is None or kept.split == data.split else None), ()


def _dealt(
    settings: RunSettings, source: Source, client: int, num_partitions: int, place: Path
) -> ClientData:
    """Prepare a client's share of a collection that is dealt to all clients.

    What all clients were dealt, and what the files hold, is remembered in a folder.
    """
    collection = source.collection(settings)
    generator = seeds.generator(settings.seed, "split", partition=client)
    private = open_set.private_rows(len(collection.labels), settings, source)
    dealt = place / "dealt.safetensors"
    kept_open = open_set.told_of_dealing(len(collection.labels), settings, source)
    with left_out.explained((*_left_out(source, collection), *kept_open)):
        task_classes.require(source, int(collection.labels.bincount().count_nonzero()))
        share = partition.deal(collection.labels[private], settings, client, num_partitions, dealt)
    rows = private[share.rows[split.cut(len(share.rows), settings.max_samples, generator)]]
    reading = collection.read(rows, settings.image_size)
    inputs = images.recolour(reading.inputs, settings.channels)
    used = rows[reading.kept]
    labels = collection.labels[used]
    groups = copies.groups(inputs)
    train, test = split.split(labels, settings.test_fraction, generator, groups)
    notes = share.notes + reading.notes + _left_out(source, collection, reading.left_out)
    with left_out.explained((*notes, *kept_open)):
        _require(settings, source, client, len(train), len(test))
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


def _own(settings: RunSettings, source: Source, client: int, kept: Keeper) -> ClientData:
    """Prepare a device's own samples, each on the side on which it was before."""
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
    notes = _left_out(source, collection, reading.left_out, beyond)
    with left_out.explained(notes):
        _require(settings, source, client, len(train), len(test))
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


def _with_copies_told(source: Source, data: ClientData) -> ClientData:
    train, test = (copies.digests(part.inputs) for part in (data.train, data.test))
    tell = copies.told_of_questions if data.train.questions else copies.told
    return replace(data, notes=data.notes + tell(source.kind, train, test))


def _require_apart(source: Source, state: Path) -> None:
    """Refuse a state folder within the data: whatever is kept there would count as data.

    Raises
    ------
    SettingsError
        With what to do.
    """
    if SOURCES[source.kind].files and state.resolve().is_relative_to(source.folder.resolve()):
        raise SettingsError(
            f"setting state-dir: expected a folder outside the data {source.folder}, got {state} "
            f"in it, where what a device keeps would count as data and change at each message; "
            f"name another state-dir in the node config"
        )


def _others(samples: Sequence[Identity], rows: Tensor) -> list[str]:
    used = set(rows.tolist())
    # What has no name but what it holds is told by its place.
    return [
        f"row {row + 1}" if sample.name == sample.digest else sample.name
        for row, sample in enumerate(samples)
        if row not in used
    ]


def _left_out(source: Source, collection: Collection, *more: LeftOut) -> tuple[str, ...]:
    return (*collection.notes, *collection.told_left_out(source.kind, *more))


def _require(settings: RunSettings, source: Source, client: int, train: int, test: int) -> None:
    who = f"{source.kind} {source.place}".strip() + f": client {client}"
    split.require(who, train, test, settings, "add samples")


def _scanned_classes(source: Source, remembered: Path) -> int:
    if _exists(remembered):
        try:
            return int(tensor_file.read(remembered)[1]["num_classes"])
        except StoreError:
            pass  # it is damaged, and written again below
    num_classes = pfllib.scanned_classes(source.folder)
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
