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

from torch import Tensor

from client_app.data import (
    copies,
    dealt_samples,
    keeper,
    own_samples,
    partition,
    pfllib,
    pfllib_config,
    published,
    questions,
    task_classes,
    unread,
)
from client_app.data.client_data import ClientData, from_file, to_file
from client_app.data.fingerprint import fingerprint
from client_app.data.keeper import Keeper
from client_app.data.kept_split import digest_of
from client_app.data.sources import SOURCES, Source, parse
from strategies.common import tensor_file
from strategies.common.errors import DataError, NectarError, SettingsError, StoreError
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
        data = own_samples.read(settings, source, partition, kept)
    else:
        data = dealt_samples.read(settings, source, partition, num_partitions, stored.parent)
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
