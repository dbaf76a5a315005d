"""What clients agree on, by majority, and why one does not."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar, final

from server_app import differences
from strategies.common.inputs import Columns, Inputs, sizes_of
from strategies.common.meaning import BYTES, Dealt, Meaning, ValueRange
from strategies.common.open_data import OpenSet
from strategies.common.task import Foundation, Place, Task
from strategies.common.transport.control import Description

Choice = TypeVar("Choice", bound=Hashable)


@final
class Agreement:
    """Finds the task of a run in what its clients say of themselves.

    Parameters
    ----------
    private_classes : bool
        Whether every client has classes of its own, so that number and names may differ.
    feature_dim : int
        Width of all clients' features, where the run sets one; 0 where each has its model's.
    """

    def __init__(self, *, private_classes: bool, feature_dim: int = 0) -> None:
        self._private_classes = private_classes
        self._feature_dim = feature_dim

    def reach(self, described: Sequence[Description]) -> Task:
        """Return the task that most clients have.

        Where the run sets no width of features, they may differ; it is 0 then.

        Shape and classes are decided first, together; then, among those who share them, the
        range of values and the data that are dealt. Of equally many clients those with more
        classes, or more partitions, prevail: whoever lacks some can be given them.

        Parameters
        ----------
        described : Sequence[Description]
            At least one.
        """
        views = [self._view(client) for client in described]
        task, classes = _most(
            ((view, view.meaning.classes) for view in views), _order, lambda one: one[0].num_classes
        )
        alike = [v.meaning for v in views if v == task and v.meaning.classes == classes]
        meaning = Meaning(
            classes=classes,
            class_names=next((one.class_names for one in alike if one.class_names), ()),
            counted=any(one.counted for one in alike),
            values=_widely_fitting([one.values for one in alike if one.values]),
            dealt=_mostly_dealt([one.dealt for one in alike if one.dealt]),
            words=_mostly([one.words for one in alike if one.words]),
        )
        found = replace(task, meaning=meaning, feature_dim=self._feature_dim)
        if self._feature_dim:
            return found
        widths = {one.feature_dim for one in described if self.objection(found, one) is None}
        return replace(found, feature_dim=widths.pop() if len(widths) == 1 else 0)

    def objection(self, task: Task, described: Description, *, begun: bool = False) -> str | None:
        """Return the first reason why a client does not fit a task, and what to do.

        ``None`` if it fits.

        Parameters
        ----------
        task : Task
            What is agreed on.
        described : Description
            The client.
        begun : bool
            Whether the task is that of a run that goes on, which no majority decides.
        """
        own, expected = self._view(described), replace(task, feature_dim=0)
        if said := _unlike_common(expected, own, begun=begun):
            return said
        if own.inputs != expected.inputs:
            return differences.of_inputs(expected, own)
        if own.num_classes != expected.num_classes or _unlike_classes(expected, own):
            return differences.of_classes(expected, own)
        if said := _unlike_data(expected.inputs, expected.meaning, own.meaning, begun=begun):
            return said
        if task.feature_dim and described.feature_dim != task.feature_dim:
            return (
                f"expected features of width {task.feature_dim}, got {described.feature_dim}; "
                f"set feature-dim"
            )
        return _too_small(described)

    def _view(self, described: Description) -> Task:
        """Return the task as one client has it, without the width of its features."""
        places = tuple(Place.from_word(word) for word in described.places)
        foundation = (
            Foundation(described.foundation, described.rank, places)
            if described.foundation
            else None
        )
        num_classes, meaning = described.num_classes, described.meaning
        if self._private_classes:
            num_classes = 0
            meaning = replace(meaning, classes="", class_names=(), counted=False)
        open_set = (
            OpenSet(described.open_set, described.open_samples) if described.open_set else None
        )
        return Task(num_classes, described.each_input, 0, foundation, open_set, meaning)


def _too_small(described: Description) -> str | None:
    """Return how a model that is told of is less than its own last layer."""
    last_layer = described.num_classes * (described.feature_dim + 1)
    if not described.architecture or described.parameters >= last_layer:
        return None
    return (
        f"description.parameters: expected at least the {last_layer} of a last layer from "
        f"{described.feature_dim} features to {described.num_classes} classes, got "
        f"{described.parameters}"
    )


def _unlike_common(expected: Task, got: Task, *, begun: bool) -> str | None:
    """Return how what all must hold a copy of differs."""
    if got.foundation != expected.foundation:
        return differences.of_foundations(expected.foundation, got.foundation, begun=begun)
    if got.open_set != expected.open_set:
        return differences.of_open_sets(expected.open_set, got.open_set, begun=begun)
    return None


def _unlike_classes(expected: Task, got: Task) -> bool:
    first, second = expected.meaning.classes, got.meaning.classes
    return bool(first and second) and first != second


def _unlike_data(inputs: Inputs, expected: Meaning, got: Meaning, *, begun: bool) -> str | None:
    if expected.values and got.values and not got.values.fits(expected.values):
        return differences.of_values(expected.values, got.values)
    if expected.words and got.words and got.words != expected.words:
        differ = differences.of_columns if isinstance(inputs, Columns) else differences.of_words
        return differ(expected.words, got.words, begun=begun)
    ours, theirs = expected.dealt, got.dealt
    # The hub's copy and its parquet files are the same rows.
    if ours and theirs and replace(theirs, source=ours.source) != ours:
        return differences.of_dealt(ours, theirs, begun=begun)
    return None


def _most(
    choices: Iterable[Choice],
    order: Callable[[Choice], tuple[object, ...]],
    size: Callable[[Choice], int],
) -> Choice:
    """Return what is chosen most often, of equals the largest, whoever came first."""
    votes = Counter(choices)
    return max(sorted(votes, key=order), key=lambda choice: (votes[choice], size(choice)))


def _order(choice: tuple[Task, str]) -> tuple[object, ...]:
    task, classes = choice
    inputs = task.inputs
    return (
        task.num_classes,
        inputs.kind,
        sizes_of(inputs),
        repr((task.foundation, task.open_set)),
        classes,
    )


def _widely_fitting(found: Sequence[ValueRange]) -> ValueRange | None:
    """Return the range that most clients' ranges fit, of equals one of bytes."""
    votes = Counter(found)

    def fitting(candidate: ValueRange) -> tuple[int, bool]:
        fits = sum(count for other, count in votes.items() if other.fits(candidate))
        return fits, candidate.kind == BYTES

    ordered = sorted(votes, key=lambda one: (one.kind, one.low, one.high))
    return max(ordered, key=fitting, default=None)


def _mostly(found: Sequence[str]) -> str:
    """Return what most say, of equals the first in order; empty where nobody says anything."""
    return _most(found, lambda one: (one,), len) if found else ""


def _mostly_dealt(found: Sequence[Dealt]) -> Dealt | None:
    """Return what most clients have shares of, and of how many, whatever their source is called."""
    if not found:
        return None
    shares = _most(
        ((one.digest, one.num_partitions) for one in found), lambda one: one, lambda one: one[1]
    )
    alike = (one for one in found if (one.digest, one.num_partitions) == shares)
    return min(alike, key=lambda one: one.source)
