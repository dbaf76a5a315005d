"""A short name for everything that decides what a client's prepared data contain."""

import hashlib
import json
from functools import cache
from importlib import metadata
from pathlib import Path

from client_app.data.sources import Source
from strategies.common.settings import RunSettings

# Raised whenever this package prepares the same source differently, or writes another format.
VERSION = 2

# Libraries that draw, decode or resize; another version may come to other bytes.
LIBRARIES = ("flwr-datasets", "numpy", "pillow", "torch")


def fingerprint(settings: RunSettings, source: Source, num_partitions: int) -> str:
    """Return 16 hexadecimal digits that change with the data's contents.

    Files count by name, size and time of last change; what the hub holds under a name is
    not looked up again.

    Raises
    ------
    DataError
        If the source's files are not there.
    """
    parts = {
        "version": VERSION,
        "libraries": [_version(name) for name in LIBRARIES],
        "source": [source.kind, source.place],
        "num_partitions": num_partitions,
        "files": [_describe(path, source.folder) for path in source.files()],
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
            settings.seed,
        ],
    }
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


@cache
def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return ""


def _describe(path: Path, base: Path) -> tuple[str, int, int]:
    status = path.stat()
    return path.relative_to(base).as_posix(), status.st_size, status.st_mtime_ns
