"""What a server half does with activations, apart from how they travelled."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping

from torch import Tensor

from strategies.common.split.wire.frames import Survey


class Engine(ABC):
    """A server half at work within one session.

    Calls come from one thread at a time and always in the same order, whatever the order of
    arrival: for every step all cohorts in turn, then ``finish``.
    """

    @abstractmethod
    def advance(
        self, step: int, cohort: int, arrived: Mapping[int, tuple[Tensor, ...]]
    ) -> Mapping[int, Tensor]:
        """Learn from one cohort's activations.

        Parameters
        ----------
        step : int
            Step of the run, from 1.
        cohort : int
            Which cohort of the plan.
        arrived : Mapping[int, tuple[Tensor, ...]]
            Tensors of the frame by logical client, ascending; each (batch, *shape). Clients
            that were late are absent; may be empty.

        Returns
        -------
        Mapping[int, Tensor]
            Gradient of the first tensor by logical client, (batch, *shape), for every client
            that arrived; empty where clients are frozen.
        """

    @abstractmethod
    def finish(self, step: int) -> None:
        """Update the server's part after the last cohort of a step."""

    @abstractmethod
    def survey(self, survey: Survey) -> None:
        """Take in samples of an evaluation; clients and splits come in any order."""

    @abstractmethod
    def forget(self, clients: Collection[int]) -> None:
        """Drop what some clients sent for an evaluation, before it is judged."""
