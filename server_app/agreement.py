"""What clients agree on, by majority, and why one does not."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import final

from strategies.common.inputs import Images, sizes_of
from strategies.common.task import Foundation, Place, Task
from strategies.common.transport.control import Description

_DIGITS = 12


@final
class Agreement:
    """Finds the task of a run in what its clients say of themselves.

    Parameters
    ----------
    private_classes : bool
        Whether every client has classes of its own, so that their number may differ.
    """

    def __init__(self, *, private_classes: bool) -> None:
        self._private_classes = private_classes

    def reach(self, described: Sequence[Description]) -> Task:
        """Return the task that most clients have; feature widths may differ, it is 0 then.

        Parameters
        ----------
        described : Sequence[Description]
            At least one.
        """
        votes = Counter(self._view(client) for client in described)
        shape = max(sorted(votes, key=_order), key=lambda candidate: votes[candidate])
        widths = {client.feature_dim for client in described if self._view(client) == shape}
        return replace(shape, feature_dim=widths.pop() if len(widths) == 1 else 0)

    def objection(self, task: Task, described: Description) -> str | None:
        """Return why a client does not fit a task, and what to do, or ``None`` if it does."""
        own, expected = self._view(described), replace(task, feature_dim=0)
        if own.foundation != expected.foundation:
            return _other_foundation(expected.foundation, own.foundation)
        if own != expected:
            return (
                f"expected {_shape(expected)}, got {_shape(own)}; give it the others' data"
                f"{', or set image-size' if isinstance(expected.inputs, Images) else ''}"
            )
        if task.feature_dim and described.feature_dim != task.feature_dim:
            return (
                f"expected features of width {task.feature_dim}, got {described.feature_dim}; "
                f"set feature-dim"
            )
        return None

    def _view(self, described: Description) -> Task:
        """Return the task as one client has it, without the width of its features."""
        places = tuple(Place.from_word(word) for word in described.places)
        foundation = (
            Foundation(described.foundation, described.rank, places)
            if described.foundation
            else None
        )
        num_classes = 0 if self._private_classes else described.num_classes
        return Task(num_classes, described.each_input, 0, foundation)


def _order(task: Task) -> tuple[object, ...]:
    inputs = task.inputs
    return task.num_classes, inputs.kind, sizes_of(inputs), repr(task.foundation)


def _shape(task: Task) -> str:
    classes = f"{task.num_classes} classes of " if task.num_classes else ""
    return f"{classes}{task.inputs}"


def _other_foundation(expected: Foundation | None, got: Foundation | None) -> str:
    if expected and got and expected.sha256 == got.sha256:
        return (
            f"expected adapters of rank {expected.rank} at {len(expected.places)} places of the "
            f"foundation model, got rank {got.rank} at {len(got.places)} places or other ones; all "
            f"parts must run the same version with the same settings"
        )
    return (
        f"expected the foundation model {_digest(expected)} that most clients hold, got "
        f"{_digest(got)}; copy the same folder to this device and name it in adapters.backbone"
    )


def _digest(foundation: Foundation | None) -> str:
    return f"sha256 {foundation.sha256[:_DIGITS]}" if foundation else "none"
