"""How a client's task differs from that of most clients, in words, with what to do."""

from collections.abc import Sequence
from typing import Final

from strategies.common.inputs import Columns, Images, Windows
from strategies.common.meaning import Dealt, ValueRange
from strategies.common.names import printable
from strategies.common.open_data import OpenSet
from strategies.common.task import Foundation, Task

_DIGITS: Final = 12
_NAMED_CLASSES: Final = 10
_NAME_LENGTH: Final = 40


# What to do where a run's own past is what differs.
_ANEW: Final = "or begin a run of another run-name"


def of_foundations(
    expected: Foundation | None, got: Foundation | None, *, begun: bool = False
) -> str:
    """Say how the frozen models differ, or where their adapters are attached.

    Parameters
    ----------
    expected, got : Foundation | None
        What the task has, and what a client has.
    begun : bool
        Whether the task is that of a run that goes on, which no majority decides.
    """
    if expected and got and expected.sha256 == got.sha256:
        return (
            f"expected adapters of rank {expected.rank} at {len(expected.places)} places of the "
            f"foundation model, got rank {got.rank} at {len(got.places)} places or other ones; all "
            f"parts must run the same version with the same settings"
        )
    held = "with which this run began" if begun else "that most clients hold"
    said = f"expected the foundation model {_model(expected)} {held}, got {_model(got)}"
    return _advised(
        said,
        begun,
        back="name that one in adapters.backbone again",
        alike="copy the same folder to this device and name it in adapters.backbone",
    )


def of_open_sets(expected: OpenSet | None, got: OpenSet | None, *, begun: bool = False) -> str:
    """Say that the open data are others; ``begun`` as of :func:`of_foundations`."""
    held = "with which this run began" if begun else "that most clients hold"
    said = f"expected the open data {held}, {expected or 'none'}, got {got or 'none'}"
    return _advised(
        said,
        begun,
        back="put the files back as they were",
        alike="copy the same files to this device, and name them with open-data in its node config",
    )


def of_words(expected: str, got: str, *, begun: bool = False) -> str:
    """Say that words are numbered in other ways; ``begun`` as of :func:`of_foundations`."""
    held = "as when this run began" if begun else "as most clients do"
    said = (
        f"expected words numbered {held}, by sha256 {expected[:_DIGITS]}, got {got[:_DIGITS]}: the "
        f"same word would be another token"
    )
    return _advised(
        said,
        begun,
        back="put vocabulary-file back as it was",
        alike="give all devices the same vocabulary-file, or leave it empty on all",
    )


def of_columns(expected: str, got: str, *, begun: bool = False) -> str:
    """Say that tables have other columns; ``begun`` as of :func:`of_foundations`."""
    held = "as when this run began" if begun else "as most clients have them"
    said = (
        f"expected columns of numbers {held}, by sha256 {expected[:_DIGITS]} of their names, got "
        f"{got[:_DIGITS]}: one would be read for another"
    )
    return _advised(
        said,
        begun,
        back="put them back as they were",
        alike="name the same columns in the same order on all devices, or set input-columns",
    )


def of_inputs(expected: Task, got: Task) -> str:
    """Say how single inputs differ."""
    return f"expected {_shape(expected)}, got {_shape(got)}; {_advice(expected, got)}"


def of_classes(expected: Task, got: Task) -> str:
    """Say which classes are missing, and which only this client has."""
    ours, theirs = expected.meaning.class_names, got.meaning.class_names
    both_known = bool(ours and theirs) and ours != theirs
    if expected.num_classes != got.num_classes:
        said = f"expected {_shape(expected)}, got {_shape(got)}"
        if both_known:
            said += f": {_listed(ours)} against {_listed(theirs)}"
    else:
        said = f"expected the classes {_classes(expected)}, got {_classes(got)}"
    if both_known:
        said += _differing(ours, theirs)
    if expected.meaning.counted or got.meaning.counted:
        most = max(expected.num_classes, got.num_classes)
        return (
            f"{said}; classes were counted by the highest label, since config.json beside the "
            f"pfllib files is missing or gives no num_classes: write one on all devices, e.g. "
            f'{{"num_classes": {most}}}'
        )
    return (
        f"{said}; all devices need the same classes in the same order: make an empty folder, or a "
        f"line in classes.txt, for each class that a device has no images of, or no rows of in its "
        f"own table (NAME.classes.txt beside NAME.csv)"
    )


def of_values(expected: ValueRange, got: ValueRange) -> str:
    """Say how the ranges of values differ."""
    return (
        f"expected values like {expected}, got {got}; store them as the others do: images as whole "
        f"numbers from 0 to 255, or as floats in one common range such as [-1, 1], and readings in "
        f"the same unit"
    )


def of_dealt(expected: Dealt, got: Dealt, *, begun: bool = False) -> str:
    """Say that other data are dealt, or the same to another number of clients.

    ``begun`` is as of :func:`of_foundations`.
    """
    if expected.digest != got.digest:
        whose = "this run's clients had" if begun else "most clients take their"
        said = f"expected the data that {whose} shares of, {_source(expected)}, got {_source(got)}"
        return _advised(
            said,
            begun,
            back="put the data back as they were",
            alike="give all devices the same data, or this one a source of its own, e.g. "
            "folder:<dir> or own-csv:<file>",
        )
    has = "with which this run began" if begun else "as most clients have"
    said = (
        f"expected num-partitions={expected.num_partitions} {has}, got "
        f"num-partitions={got.num_partitions}: its share of {got.source} would overlap with "
    )
    if begun:
        return f"{said}those of before; go on with {expected.num_partitions} devices, {_ANEW}"
    return f"{said}theirs; set the same num-partitions in the node config of every device"


def _advised(said: str, begun: bool, *, back: str, alike: str) -> str:
    """Add what to do: where a run goes on, what was back, or a new one; else what others have."""
    return f"{said}; {back}, {_ANEW}" if begun else f"{said}; {alike}"


def _advice(expected: Task, got: Task) -> str:
    first, second = expected.inputs, got.inputs
    if isinstance(first, Windows) and isinstance(second, Windows):
        return _advice_on_windows(first, second)
    if isinstance(first, Columns) and isinstance(second, Columns):
        return "give it the others' columns, or name the same ones in input-columns on all devices"
    if not isinstance(first, Images):
        return "give it the others' data"
    if not isinstance(second, Images) or {first.channels, second.channels} != {1, 3}:
        return "give it the others' data, or set image-size"
    sides = ", and image-size" if first.shape[1:] != second.shape[1:] else ""
    return (
        f"some devices' images are all grey, others' are not: set channels=3 to read all in colour "
        f"or channels=1 to read all in grey{sides}"
    )


def _advice_on_windows(expected: Windows, got: Windows) -> str:
    if expected.channels != got.channels:
        return (
            f"its windows are of {got.channels} sensors, the others' of {expected.channels}: give "
            f"it windows of the same sensors in the same order"
        )
    return (
        f"its windows are {got.steps} steps long, the others' {expected.steps}: set "
        f"window-length={expected.steps}, with which every device resamples its own to so many"
    )


def _shape(task: Task) -> str:
    classes = f"{task.num_classes} classes of " if task.num_classes else ""
    return f"{classes}{task.inputs}"


def _classes(task: Task) -> str:
    if names := task.meaning.class_names:
        return _listed(names)
    return f"of sha256 {task.meaning.classes[:_DIGITS]}, whose names are kept private"


def _differing(expected: Sequence[str], got: Sequence[str]) -> str:
    """Name what one of two lists lacks, or where their order differs."""
    missing = [name for name in expected if name not in set(got)]
    more = [name for name in got if name not in set(expected)]
    told = [f"missing here: {_listed(missing)}"] if missing else []
    told += [f"only here: {_listed(more)}"] if more else []
    if not told:
        pairs = enumerate(zip(expected, got, strict=False))
        told = [
            f"class {label} is {_shown(first)} there and {_shown(second)} here"
            for label, (first, second) in pairs
            if first != second
        ][:1]
    return "".join(f"; {one}" for one in told)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED_CLASSES
    shown = ", ".join(_shown(name) for name in names[:_NAMED_CLASSES])
    return f"{shown} and {more} more" if more > 0 else shown


def _shown(name: str) -> str:
    """Return a name as a device told it, short and without control characters."""
    plain = printable(name)
    plain = plain if plain.isprintable() else ascii(plain)[1:-1]
    return plain if len(plain) <= _NAME_LENGTH else f"{plain[: _NAME_LENGTH - 1]}…"


def _source(dealt: Dealt) -> str:
    return f"{dealt.source} (sha256 {dealt.digest[:_DIGITS]})"


def _model(foundation: Foundation | None) -> str:
    return f"sha256 {foundation.sha256[:_DIGITS]}" if foundation else "none"
