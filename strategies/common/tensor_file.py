"""Files of tensors that survive a power cut: written whole or not at all, and checked.

One format serves the devices' private states and the server's checkpoints: safetensors
with a checksum and free text in its header. Nothing is ever unpickled. Files and folders made
here are their owner's alone to read, whatever the umask says.
"""

import os
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Final

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from strategies.common.errors import StoreError

# What a device learned, and what it learned from, is for its owner.
_OWN_FOLDER, _OWN_FILE = 0o700, 0o600
# Files that others bring down to the disk; ``None`` where whoever writes does.
_later: ContextVar[list[Path] | None] = ContextVar("later", default=None)
# Where a file says of which round it is.
ROUND: Final = "round"
_ROUND = re.compile(r"round-(\d+)\.safetensors")


def of_round(folder: Path, round_number: int) -> Path:
    """Return the file that holds a round's tensors."""
    return folder / f"round-{round_number:06d}.safetensors"


def rounds_in(folder: Path) -> list[int]:
    """Return the rounds that have a file, ascending; other files are not looked at."""
    names = (_ROUND.fullmatch(file.name) for file in folder.glob("round-*.safetensors"))
    return sorted(int(name[1]) for name in names if name)


def forget(folder: Path, round_number: int) -> None:
    """Remove a round's file; one that cannot be removed does no harm."""
    with suppress(StoreError):
        remove(of_round(folder, round_number))


def remove(path: Path) -> None:
    """Remove a file that must not be read again; there need not be one.

    Raises
    ------
    StoreError
        If it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritten(path, error) from None


def make_private(folder: Path) -> None:
    """Make a folder, and those above that are missing, for their owner alone.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    if not folder.is_dir():
        make_private(folder.parent)
        folder.mkdir(mode=_OWN_FOLDER, exist_ok=True)


def write(path: Path, tensors: Mapping[str, Tensor], text: Mapping[str, str]) -> None:
    """Write tensors and text to a file, atomically and down to the disk.

    Raises
    ------
    StoreError
        If the file cannot be written; whatever stood at ``path`` is untouched.
    """
    stamp = {**text, "checksum": _checksum(tensors, text)}
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    later = _later.get()
    try:
        make_private(path.parent)
        temporary.touch(mode=_OWN_FILE)
        # Opened before it is written: what the disk refuses later is told to those who hold it.
        with temporary.open("r+b") as file:
            safetensors.torch.save_file(dict(tensors), temporary, metadata=stamp)
            if later is None:
                os.fsync(file.fileno())
        temporary.replace(path)
        if later is None:
            _sync(path.parent)
    except (OSError, SafetensorError) as error:
        with suppress(OSError):  # where the folder itself is at fault, there is no file either
            temporary.unlink()
        raise _unwritten(path, error) from None
    if later is not None:
        later.append(path)


@contextmanager
def synced_later() -> Iterator[list[Path]]:
    """Leave it to others to bring what is written down to the disk, by :func:`sync`.

    Until they have, a power cut may leave a damaged file where a whole one was written.

    Yields
    ------
    list[Path]
        What has been written.
    """
    written: list[Path] = []
    token = _later.set(written)
    try:
        yield written
    finally:
        _later.reset(token)


def sync(path: Path) -> None:
    """Bring a file that was written under :func:`synced_later` down to the disk.

    Raises
    ------
    StoreError
        If the disk refuses it.
    """
    try:
        for place in (path, path.parent):
            _sync(place)
    except OSError as error:
        raise _unwritten(path, error) from None


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read back what :func:`write` wrote.

    Returns
    -------
    tuple[dict[str, Tensor], dict[str, str]]
        Tensors and text.

    Raises
    ------
    StoreError
        If the file is missing, truncated or changed.
    """
    try:
        with safe_open(path, framework="pt") as file:
            text = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError) as error:
        raise StoreError(f"{path}: expected a readable tensor file, got: {error}") from None
    if text.pop("checksum", None) != _checksum(tensors, text):
        raise StoreError(f"{path}: expected contents that match their checksum; it is damaged")
    return tensors, text


def read_round(folder: Path, round_number: int) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the file of a round, which says itself of which one it is.

    Raises
    ------
    StoreError
        As of :func:`read`, or if it is another round's under this one's name.
    """
    path = of_round(folder, round_number)
    tensors, text = read(path)
    if text.get(ROUND, str(round_number)) != str(round_number):
        raise StoreError(f"{path}: expected the state of this round, got that of {text[ROUND]}")
    return tensors, text


def _checksum(tensors: Mapping[str, Tensor], text: Mapping[str, str]) -> str:
    checksum = 0
    for key in sorted(text):
        checksum = zlib.crc32(f"{key}={text[key]};".encode(), checksum)
    for name in sorted(tensors):
        # The same bytes under another dtype or shape are other contents.
        described = f"{name}:{tensors[name].dtype}{tuple(tensors[name].shape)};"
        checksum = zlib.crc32(described.encode(), checksum)
        flat = tensors[name].detach().contiguous().flatten()
        checksum = zlib.crc32(flat.view(torch.uint8).numpy().data, checksum)
    return f"{checksum:08x}"


def _unwritten(path: Path, error: OSError | SafetensorError) -> StoreError:
    reason = error.strerror if isinstance(error, OSError) else error
    return StoreError(
        f"{path}: cannot be written ({reason}); make the folder writable, free "
        f"space on its disk, or name another one"
    )


def _sync(place: Path) -> None:
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
