"""Clients that PFLlib or HtFLlib already split: what is done with their samples beyond reading."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from client_app.data import images, pfllib, pfllib_config, split, windows
from client_app.data.client_data import ClientData
from client_app.data.keeper import Keeper
from client_app.data.kept_split import TEST, TRAIN, Identity
from client_app.data.left_out import explained
from client_app.data.sources import Source
from client_app.data.value_range import range_of
from strategies.common import seeds
from strategies.common.errors import DataError
from strategies.common.inputs import Images, Windows, inputs_of
from strategies.common.samples import Samples
from strategies.common.settings import RunSettings

_PARTS = {"train": TRAIN, "test": TEST}
OR_RESAMPLE = ", or set window-length to resample all windows to so many steps"


def read(
    settings: RunSettings, source: Source, client: int, num_classes: int, kept: Keeper
) -> ClientData:
    """Read a client's samples, keep at most ``max-samples``; resize images, resample windows.

    Parameters
    ----------
    settings : RunSettings
        How many are kept, how large images are, and how long windows.
    source : Source
        The folder.
    client : int
        Whose samples, from 0.
    num_classes : int
        Classes of the whole data set.
    kept : Keeper
        Remembers which samples the client has had.

    Raises
    ------
    DataError
        If they cannot be read, do not go together, or are too few.
    """
    place = source.folder
    stray = pfllib.left_out_notes(place, client)
    with explained(stray):
        train, test, cut = pfllib.read_texts(place, client, settings.text_length)
    labels = torch.cat([train.labels, test.labels])
    if beyond := int((labels >= num_classes).sum()):
        raise DataError(
            f"pfllib {place}: expected labels below the {num_classes} classes of config.json, "
            f"client {client} has {beyond} of {len(labels)} that are not; write in it how many "
            f"classes there are in all"
        )
    who = source.who(client)
    _require_one_scale(who, train, test)
    samples = [*_identities("train", train), *_identities("test", test)]
    rows = _rows(settings, kept, samples, len(train), client)
    sides = [published_side(samples[row]) for row in rows.tolist()]
    is_trained = rows < len(train)
    train, test = train.rows(rows[is_trained]), test.rows(rows[~is_trained] - len(train))
    with explained(stray):
        split.require(who, len(train), len(test), settings, "leave this client out")
    settled = kept.settle(samples, rows.tolist(), sides)
    vocabulary = pfllib_config.vocabulary(place, train, test)
    notes = (*settled.notes, *stray, *cut, *pfllib.range_note(place, train))
    train, test = (as_asked(part, vocabulary, settings) for part in (train, test))
    shapes = [tuple(part.inputs.shape[1:]) for part in (train, test)]
    if shapes[0] != shapes[1]:
        raise DataError(
            f"{who}: expected x of one shape to learn from and to test on, got {shapes[0]} and "
            f"{shapes[1]}; pad or cut them alike"
            f"{OR_RESAMPLE if of_unlike_lengths(*shapes) else ''}"
        )
    return ClientData(
        train,
        test,
        num_classes,
        pfllib_config.class_names(place, num_classes),
        notes,
        vocabulary,
        split=settled.split,
        contents=settled.contents,
        standing=settled.standing[is_trained],
        num_first_train=settled.num_first_train,
    )


def published_side(sample: Identity) -> int:
    """Return the side on which a sample is published, which its name begins with."""
    return _PARTS[sample.name.partition("/")[0]]


def _rows(
    settings: RunSettings, kept: Keeper, samples: list[Identity], num_train: int, client: int
) -> Tensor:
    """Choose at most ``max-samples`` rows, counted through both parts."""
    limit, count = settings.max_samples, len(samples)
    seating = kept.seat(samples, published_side)
    if seating is not None:
        return torch.tensor(seating.positions, dtype=torch.int64)
    if limit == 0 or count <= limit:
        return torch.arange(count)
    split.fewest(settings)
    generator = seeds.generator(settings.seed, "split", partition=client)
    # The published proportion of test samples is kept.
    first, second = split.sizes(limit, (count - num_train) / count)
    trained = split.cut(num_train, first, generator)
    tested = split.cut(count - num_train, second, generator)
    return torch.cat([trained, tested + num_train])


def _require_one_scale(who: str, train: Samples, test: Samples) -> None:
    """Refuse test samples of another type or scale than a model would learn from.

    Parameters
    ----------
    who : str
        Whose samples, for the error.
    train, test : Samples
        All that are published: a few of them may not tell a scale.

    Raises
    ------
    DataError
        With both ranges of values.
    """
    if train.inputs.ndim != test.inputs.ndim:  # their shapes are told
        return
    learnt, tested = (range_of([part.inputs]) for part in (train, test))
    if learnt and tested and (learnt.kind != tested.kind or not tested.fits(learnt)):
        raise DataError(
            f"{who}: expected x of one type and scale to learn from and to test on, got {learnt} "
            f"and {tested}; store both alike: images as whole numbers from 0 to 255, or as floats "
            f"in one range such as [-1, 1], and readings in the same unit"
        )


def _identities(part: str, samples: Samples) -> Iterator[Identity]:
    """Yield what rows are: nothing but their contents, which may come more than once."""
    labels = samples.labels.tolist()
    for row, label in zip(samples.inputs.numpy(), labels, strict=True):
        digest = hashlib.sha256(row.tobytes() + str(label).encode()).hexdigest()[:32]
        yield Identity(f"{part}/{digest}", digest, f"{part}/{digest}")


def as_asked(samples: Samples, vocabulary: int, settings: RunSettings) -> Samples:
    """Return pictures in the size and channels that settings ask for, windows in their length.

    Raises
    ------
    DataError
        If settings ask for pictures, and there are none.
    """
    side, channels = settings.image_size, settings.channels
    inputs = inputs_of(samples.inputs, vocabulary)
    if not side and not channels:
        if not isinstance(inputs, Windows):
            return samples
        return replace(samples, inputs=windows.resample(samples.inputs, settings.window_length))
    if not isinstance(inputs, Images) or inputs.channels not in (1, 3):
        name = "image-size" if side else "channels"
        raise DataError(
            f"setting {name}: expected 0 for inputs that are no pictures of one or three "
            f"channels, got {side or channels} for {inputs}"
        )
    resized = images.resize(samples.inputs, side)
    return replace(samples, inputs=images.recolour(resized, channels))


def of_unlike_lengths(first: tuple[int, ...], second: tuple[int, ...]) -> bool:
    """Tell whether windows of the same channels differ in their steps."""
    return len(first) == len(second) == 2 and first[0] == second[0]
