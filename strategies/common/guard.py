"""The seam between what a half computes and what crosses: privacy and robustness belong here.

A guard sees a payload after a client half made it and before it is packed, and all replies of
a round after they were decoded and checked and before a server half averages them. Fields say
with ``tensor(..., means=...)`` what a guard may do with their numbers.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, TypeVar, final

import torch

from strategies.common.payload import Payload
from strategies.common.round import Reply
from strategies.common.settings import RunSettings

AnyPayload = TypeVar("AnyPayload", bound=Payload)


class Guard(ABC):
    """What stands between halves and the wire."""

    @abstractmethod
    def leaving(self, payload: AnyPayload, randomness: torch.Generator) -> AnyPayload:
        """Return what leaves the device in place of a payload."""

    @abstractmethod
    def arrived(self, replies: Sequence[Reply[Any]]) -> Sequence[Reply[Any]]:
        """Return the replies that a server half is to see."""


@final
class NoGuard(Guard):
    """Changes nothing."""

    def leaving(self, payload: AnyPayload, randomness: torch.Generator) -> AnyPayload:  # noqa: ARG002
        """Return the payload itself."""
        return payload

    def arrived(self, replies: Sequence[Reply[Any]]) -> Sequence[Reply[Any]]:
        """Return the replies themselves."""
        return replies


def guard_of(run: RunSettings) -> Guard:  # noqa: ARG001
    """Return a run's guard; there is none yet but the one that changes nothing."""
    return NoGuard()
