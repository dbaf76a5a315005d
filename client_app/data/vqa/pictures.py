"""Decoding the pictures of questions, several of which may share one."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from client_app.data import images
from client_app.data.collection import Reading
from client_app.data.left_out import shown
from strategies.common.errors import DataError

NAMED_FAILURES = 5

# A name for messages, and a file or its contents; None where the source has neither.
Picture = tuple[str, bytes | Path | None]


def read(pictures: Sequence[Picture], image_size: int, where: str) -> Reading:
    """Decode pictures in colour, skipping and counting those that cannot be read.

    Parameters
    ----------
    pictures : Sequence[Picture]
        One per question; equal names mean the same picture, which is decoded once.
    image_size : int
        Side in pixels of the result; 0 keeps the size, which must then be one for all.
    where : str
        Names the source in notes and errors.

    Raises
    ------
    DataError
        If there are pictures and none can be read, or they differ in size and are to keep it.
    """
    decoded: dict[str, Tensor | None] = {}
    for name, source in pictures:
        if name not in decoded:
            decoded[name] = _decode(source, image_size)
    kept = [row for row, (name, _) in enumerate(pictures) if decoded[name] is not None]
    failed = [name for name, image in decoded.items() if image is None]
    if pictures and not kept:
        raise DataError(
            f"{where}: none of the {len(decoded)} images could be read, e.g. {shown(failed[0])}"
        )
    found = [image for name, _ in pictures if (image := decoded[name]) is not None]
    inputs = (
        images.stack(found, where)
        if found
        else torch.zeros(0, 3, image_size, image_size, dtype=torch.uint8)
    )
    return Reading(inputs, torch.tensor(kept, dtype=torch.int64), _note(failed, decoded, where))


def digests(pictures: Iterable[Picture]) -> list[str]:
    """Return what each picture shows, equal for exact copies whatever their names and formats.

    Parameters
    ----------
    pictures : Iterable[Picture]
        One per question; equal names mean the same picture, which is decoded once.

    Returns
    -------
    list[str]
        Digests of pixels; of the contents where these cannot be decoded, and of the name where
        there are none.
    """
    by_name: dict[str, str] = {}
    by_contents: dict[str, str] = {}
    found = []
    for name, source in pictures:
        if name not in by_name:
            by_name[name] = _digest(name, source, by_contents)
        found.append(by_name[name])
    return found


def _digest(name: str, source: bytes | Path | None, known: dict[str, str]) -> str:
    try:
        contents = source.read_bytes() if isinstance(source, Path) else source
    except OSError:
        contents = None
    if contents is None:
        return _short(f"nothing: {name}".encode("utf-8", "surrogateescape"))
    key = _short(contents)
    if key not in known:
        try:
            pixels = images.decode(contents, channels=3).numpy()
        except DataError:
            known[key] = key
        else:
            known[key] = _short(f"{pixels.shape}".encode() + pixels.tobytes())
    return known[key]


def _short(contents: bytes) -> str:
    return hashlib.sha256(contents).hexdigest()[:32]


def _decode(source: bytes | Path | None, image_size: int) -> Tensor | None:
    if source is None:
        return None
    try:
        image = images.decode(source, channels=3)
    except DataError:
        return None
    return images.resize(image.unsqueeze(0), image_size)[0]


def _note(failed: Sequence[str], decoded: dict[str, Tensor | None], where: str) -> tuple[str, ...]:
    if not failed:
        return ()
    named = ", ".join(map(shown, failed[:NAMED_FAILURES]))
    more = f" and {len(failed) - NAMED_FAILURES} more" if len(failed) > NAMED_FAILURES else ""
    were = "was" if len(failed) == 1 else "were"
    return (
        f"{where}: {len(failed)} of {len(decoded)} images could not be read and {were} skipped: "
        f"{named}{more}",
    )
