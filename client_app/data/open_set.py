"""The open data of a run: read once on a machine and kept beside prepared data."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from client_app.data import copies, images, left_out
from client_app.data.collection import Collection, Reading
from client_app.data.fingerprint import VERSION, files_of, table_settings, versions
from client_app.data.sources import SOURCES, Source, holds_open, parse
from client_app.data.value_range import range_of
from strategies.common import seeds, tensor_file
from strategies.common.errors import DataError, SettingsError, StoreError
from strategies.common.open_data import OpenData, OpenLabels, OpenSet
from strategies.common.settings import RunSettings

_KINDS: Final = ("digits", "parquet", "images", "folder", "hub", "csv", "sentences", "pfllib")
# With one sample there would be nothing to draw from.
_FEWEST: Final = 2
# Open samples are of many clients' kinds, so they reach farther than those of one client do.
_MOST_TIMES_WIDER: Final = 64.0
# Of a digest, in messages.
_DIGITS: Final = 12


def check(settings: RunSettings) -> None:
    """Refuse a source of open data that cannot be read alike everywhere; nothing is opened.

    Raises
    ------
    SettingsError
        With what to do.
    """
    source = parse(settings.open_data)
    if source.kind not in _KINDS:
        raise SettingsError(
            f"setting open-data: expected samples that all hold alike, of {', '.join(_KINDS)}, got "
            f"{settings.open_data}, which is dealt to clients, or each client's own"
        )
    private = parse(settings.data)
    require_apart(settings.open_data, settings.data)
    if holds_open(settings, private) and not settings.open_samples:
        raise SettingsError(
            f"setting open-samples: expected how many samples of {settings.data} to keep open and "
            f"give to no client, since open-data names the same source, got 0"
        )


def require_apart(opened: str, private: str) -> None:
    """Refuse open data that are read of the same files as a client's own.

    Parameters
    ----------
    opened, private : str
        Sources. A common one may be both, of which a part is kept open.

    Raises
    ------
    SettingsError
        With both.
    """
    one, other = parse(opened), parse(private)
    is_shared = bool(one.place) and one.whole_place == other.whole_place
    if is_shared and (other.is_own or not other.names_what(one)):
        raise SettingsError(
            f"setting open-data: expected samples that are no client's own, got {opened} beside "
            f"data={private}, whose samples clients have; name other files"
        )


def beside(
    settings: RunSettings,
    spec: str,
    cache_dir: Path,
    private: str,
    words: str,
    *own_inputs: Tensor,
) -> tuple[str, ...]:
    """Return what is to be told of open data beside a client's own: what they lack, and copies.

    Samples of a client that are open as well are counted wherever its files lie.

    Parameters
    ----------
    settings, spec, cache_dir : RunSettings, str, Path
        The open data, as of :func:`load`.
    private, words : str
        Source of the client's own, and what tells its words or columns, as of ``Meaning``.
    *own_inputs : Tensor
        (samples, ...) of those to train and to test on, as they were read.

    Raises
    ------
    DataError
        If values, words or columns are no client's own.
    SettingsError
        If all of the client's samples are open, and so unlike each other that this is no chance.
    """
    tensors, text = _kept(settings, spec, cache_dir)
    _require_alike(tensors["inputs"], text["words"], own_inputs, words)
    there = [row.tobytes() for row in tensors["digests"].numpy()]
    own = [digest for inputs in own_inputs for digest in copies.digests(inputs)]
    if set(own) <= set(there) and copies.are_telling(own) and copies.are_telling(there):
        raise SettingsError(
            f"setting open-data: expected samples that are no client's own, got exact copies of "
            f"all {len(own)} of this client's; name other files"
        )
    is_parted = holds_open(settings, parse(private))
    return (*json.loads(text["notes"]), *copies.told_of_open(own, there, is_parted=is_parted))


def _require_alike(inputs: Tensor, words: str, own: Sequence[Tensor], own_words: str) -> None:
    expected, got = range_of(own), range_of([inputs])
    if expected and got and not got.fits(expected, _MOST_TIMES_WIDER):
        raise DataError(
            f"setting open-data: expected values on the scale of this client's own, {expected}, "
            f"got {got}; bring both to one scale, or name others"
        )
    if words != own_words:
        of_texts = inputs.dtype == torch.int64
        what = "words numbered" if of_texts else "columns of the same names in the same order"
        raise DataError(
            f"setting open-data: expected {what} as in this client's own data, by sha256 "
            f"{own_words[:_DIGITS] or 'unknown'}, got {words[:_DIGITS] or 'unknown'}: one would be "
            f"read for another; name others"
        )


def private_rows(rows: int, settings: RunSettings, source: Source) -> Tensor:
    """Return the rows of a common data set that clients are dealt: all that are not kept open.

    Raises
    ------
    DataError
        If there are none left.
    """
    if not holds_open(settings, source):
        return torch.arange(rows)
    if settings.open_samples >= rows:
        raise DataError(
            f"setting open-samples: expected fewer than the {rows} samples of "
            f"{settings.open_data}, which clients are dealt the others of, got "
            f"{settings.open_samples}"
        )
    is_open = torch.zeros(rows, dtype=torch.bool)
    is_open[_open_rows(rows, settings)] = True
    return (~is_open).nonzero().flatten()


def told_of_dealing(rows: int, settings: RunSettings, source: Source) -> tuple[str, ...]:
    """Return how few rows are left to deal, where some are kept open: for errors of too few."""
    if not holds_open(settings, source):
        return ()
    left = rows - settings.open_samples
    return (
        f"setting open-samples keeps {settings.open_samples} of {rows} samples open and leaves "
        f"{left} to deal: lower it",
    )


def load(settings: RunSettings, spec: str, cache_dir: Path) -> OpenData:
    """Return the open data, from where they were kept if they were read before.

    Parameters
    ----------
    settings : RunSettings
        How many there are, and size and channels of images.
    spec : str
        Source, e.g. ``"parquet:/data/cifar100"``.
    cache_dir : Path
        Where prepared data are kept on this machine.

    Raises
    ------
    SettingsError
        If the source is unknown.
    DataError
        If it cannot be read, or holds too little.
    StoreError
        If what was read cannot be kept.
    """
    tensors, text = _kept(settings, spec, cache_dir)
    told = OpenSet(text["sha256"], len(tensors["inputs"]))
    return OpenData(tensors["inputs"], told, int(text["vocabulary"]))


def labels(settings: RunSettings, spec: str, cache_dir: Path) -> OpenLabels:
    """Return the labels of the same samples; see :func:`load`.

    Only methods that are told to learn from them ask for them.
    """
    tensors, text = _kept(settings, spec, cache_dir)
    return OpenLabels(tensors["labels"], tuple(json.loads(text["classes"])))


def _kept(
    settings: RunSettings, spec: str, cache_dir: Path
) -> tuple[Mapping[str, Tensor], Mapping[str, str]]:
    source = parse(spec)
    place = cache_dir / f"open-{_named(settings, source)}" / "labelled.safetensors"
    with suppress(StoreError):
        tensors, text = tensor_file.read(place)
        if "notes" in text:
            return tensors, text
    inputs, labels, text = _read(settings, source)
    text["sha256"] = OpenData.of(inputs).told.sha256
    digests = torch.frombuffer(bytearray(b"".join(copies.digests(inputs))), dtype=torch.uint8)
    tensors = {"inputs": inputs, "labels": labels, "digests": digests.view(len(inputs), -1)}
    tensor_file.write(place, tensors, text)
    return tensors, text


def _read(settings: RunSettings, source: Source) -> tuple[Tensor, Tensor, dict[str, str]]:
    """Return inputs and labels, and what else is kept of them, as text."""
    collection = source.collection(settings)
    rows = _open_rows(len(collection.labels), settings)
    reading = collection.read(rows, settings.image_size)
    notes = _notes(settings, source, collection, reading)
    with left_out.explained(notes):
        if len(reading.inputs) < _FEWEST:
            raise DataError(
                f"setting open-data: expected at least {_FEWEST} samples in {source.kind}:"
                f"{source.place}, got {len(reading.inputs)}"
            )
    inputs = images.recolour(reading.inputs, settings.channels)
    labels = collection.labels[rows[reading.kept]]
    text = {"classes": json.dumps(collection.class_names), "notes": json.dumps(notes)}
    return (
        inputs,
        labels,
        {
            **text,
            "vocabulary": str(collection.vocabulary),
            "words": collection.words,
        },
    )


def _notes(
    settings: RunSettings, source: Source, collection: Collection, reading: Reading
) -> tuple[str, ...]:
    """Return what was decided and left out, and that there are fewer than were asked for."""
    told = collection.told_left_out(source.kind, reading.left_out)
    fewer = f"{len(reading.inputs)} samples, fewer than open-samples={settings.open_samples}"
    lacking = (fewer,) if len(reading.inputs) < settings.open_samples else ()
    # Clients tell the rest of a source that is their own, too.
    common = collection.notes if not holds_open(settings, parse(settings.data)) else ()
    return tuple(f"open data: {note}" for note in (*common, *reading.notes, *told, *lacking))


def _open_rows(rows: int, settings: RunSettings) -> Tensor:
    if not 0 < settings.open_samples < rows:
        return torch.arange(rows)
    order = torch.randperm(rows, generator=seeds.generator(settings.seed, "open samples"))
    return order[: settings.open_samples].sort().values


def _named(settings: RunSettings, source: Source) -> str:
    parts: list[object] = [
        VERSION,
        *versions(),
        source.kind,
        source.whole_place,
        files_of(source),
        settings.open_samples,
        settings.image_size,
        settings.channels,
        settings.window_length,
        settings.text_length,
        settings.seed,
    ]
    if SOURCES[source.kind].tables:
        parts += table_settings(settings)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
