"""What the files of a common collection hold, as one digest that is the same on every device.

Two files that change places, or one that is overwritten by another of its size, change no name
and no size, and yet samples to test on may be among those that were learnt from. Bytes tell; they
are read again where a file's size or times are not those of before, which themselves differ from
device to device and tell nothing.
"""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from client_app.data.kept_split import digest_of
from strategies.common import tensor_file
from strategies.common.errors import StoreError

_STAMP, _CONTENTS = "stamp", "contents"


def contents_of(paths: Sequence[Path], remembered: Path) -> str:
    """Return the SHA-256 of what files hold, in their order, whatever they are called.

    Parameters
    ----------
    paths : Sequence[Path]
        The files; one that cannot be opened counts as such.
    remembered : Path
        File that keeps the digest until one of them changes.
    """
    stamp = digest_of([_stamp(path) for path in paths])
    with suppress(StoreError):
        _, text = tensor_file.read(remembered)
        if text.get(_STAMP) == stamp:
            return text.get(_CONTENTS, "")
    found = digest_of([_digest(path) for path in paths])
    # Who cannot write here cannot keep its data either, and says so then.
    with suppress(StoreError):
        tensor_file.write(remembered, {}, {_STAMP: stamp, _CONTENTS: found})
    return found


def _stamp(path: Path) -> tuple[str, int, int, int]:
    try:
        status = path.stat()
    except OSError:
        return str(path), 0, 0, 0
    # A file that takes another's name keeps the time of its last change, but not of its status.
    return str(path), status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return "not to be opened"
