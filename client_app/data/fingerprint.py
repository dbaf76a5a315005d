"""A short name for everything that decides what a client's prepared data contain."""

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from pathlib import Path

from client_app.data.looked_at_once import looked_at_once
from client_app.data.sources import SOURCES, Source, holds_open
from strategies.common.home import expanded
from strategies.common.settings import RunSettings

# Raised whenever this package prepares the same source differently, or writes another format.
VERSION = 10

# Libraries that hold data, draw, decode or resize; another version may come to other bytes.
LIBRARIES = (
    "datasets",
    "flwr-datasets",
    "numpy",
    "pillow",
    "pyarrow",
    "scikit-learn",
    "torch",
)


def fingerprint(settings: RunSettings, source: Source, partition: int, num_partitions: int) -> str:
    """Return 16 hexadecimal digits that change with the data's contents.

    Files count by name, size and time of last change, folders of classes by name; what the
    hub holds under a name is not looked up again, and files of all clients are looked at once
    per process, until they are forgotten.

    Raises
    ------
    DataError
        If the source's files are not there.
    """
    parts = {
        "version": VERSION,
        "libraries": versions(),
        "source": [source.kind, source.whole_place],
        "num_partitions": num_partitions,
        "files": files_of(source)
        if source.is_one_for_all
        else _told(source, source.files(partition)),
        "settings": [
            settings.partition,
            settings.dirichlet_alpha,
            settings.classes_per_client,
            settings.shards_per_client,
            settings.min_train_samples,
            settings.min_test_samples,
            settings.max_samples,
            settings.max_answers,
            settings.test_fraction,
            settings.image_size,
            settings.channels,
            settings.seed,
        ],
    }
    if SOURCES[source.kind].tables:
        parts["table"] = table_settings(settings)
    if SOURCES[source.kind].pooled:
        parts["text length"] = settings.text_length
    if settings.window_length:
        parts["window length"] = settings.window_length
    if holds_open(settings, source):
        parts["kept open"] = settings.open_samples
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def table_settings(settings: RunSettings) -> list[str | int]:
    """Return the settings by which tables of texts and numbers are read."""
    named = settings.vocabulary_file
    listed = expanded(named, "vocabulary-file ") if named else None
    told = _describe(listed, listed.parent) if listed and listed.exists() else ("", 0, 0)
    columns = settings.label_column, settings.input_columns
    return [*columns, settings.text_length, settings.vocabulary, named, *told]


def versions() -> list[str]:
    """Return the versions of the libraries that prepare data."""
    return [_version(name) for name in LIBRARIES]


@looked_at_once
def files_of(source: Source) -> str:
    """Return what changes with the files of all clients."""
    return _told(source, source.every_file())


def _told(source: Source, files: Sequence[Path]) -> str:
    base = source.folder.parent if SOURCES[source.kind].is_file else source.folder
    told = [_describe(path, base) for path in files]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


@cache
def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return ""


def _describe(path: Path, base: Path) -> tuple[str, int, int]:
    name = path.relative_to(base).as_posix()
    if path.is_dir():
        # What lies in it has an entry of its own, and an empty one counts too.
        return f"{name}/", 0, 0
    # What a link points to may not be there, and is left out then.
    status = path.stat() if path.exists() else path.lstat()
    return name, status.st_size, status.st_mtime_ns
