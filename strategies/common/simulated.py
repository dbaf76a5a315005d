"""Slow, unreliable and badly connected clients, simulated: what befalls a client in a round.

Everything is drawn from the run's seed by client and round, so that every engine and a
resumed run draw the same, and methods with the same seed meet the same federation. Draws use
nothing that training draws from: a client that is merely slow learns what it learns otherwise.
No round loses so many clients that it could never be played, however often a run goes on.
"""

from collections.abc import Callable
from itertools import islice
from typing import final

import torch
from pydantic import Field

from strategies.common import seeds
from strategies.common.errors import DropoutError
from strategies.common.run_config import RunConfig, read_table
from strategies.common.settings import Settings

TABLE = "simulated"


@final
class SimulatedSettings(Settings):
    """Table ``simulated``; every default simulates nothing.

    Attributes
    ----------
    stragglers : float
        Share of the clients that are slow, the same ones for the whole run.
    straggler_factor : float
        How many times as long their training takes as it does.
    dropout : float
        Probability, for each client and round, that it answers none of the round's messages. As
        many as ``min-replies`` always answer: where fewer would, those that came closest to it.
    link_mbit : float
        Megabits per second that every client receives and sends with; 0 is without limit.
    """

    stragglers: float = Field(ge=0, le=1)
    straggler_factor: float = Field(ge=1, le=1000)
    dropout: float = Field(ge=0, lt=1)
    link_mbit: float = Field(ge=0)


def read_simulated(config: RunConfig) -> SimulatedSettings:
    """Read the table ``simulated``.

    Raises
    ------
    SettingsError
        If a key is unknown, missing or out of range.
    """
    return read_table(config, TABLE, SimulatedSettings)


@final
class Conditions:
    """What befalls one client in one round.

    Parameters
    ----------
    settings : SimulatedSettings
        How likely what is.
    seed : int
        The run's.
    partition, num_partitions : int
        Which client of how many.
    round_number : int
        From 1.
    min_replies : int
        Clients that stay in every round.
    wait : Callable[[float], None]
        Lets so many seconds pass.
    """

    def __init__(
        self,
        settings: SimulatedSettings,
        *,
        seed: int,
        partition: int,
        num_partitions: int,
        round_number: int,
        min_replies: int,
        wait: Callable[[float], None],
    ) -> None:
        self._settings = settings
        self._seed = seed
        self._partition = partition
        self._num_partitions = num_partitions
        self._round_number = round_number
        self._min_replies = min_replies
        self._wait = wait

    def require_presence(self) -> None:
        """Fail if the client drops out of this round.

        Raises
        ------
        DropoutError
            Naming it a simulated dropout.
        """
        if self._is_away():
            # The same text for all, so that a round's failures are told together.
            raise DropoutError(f"simulated dropout ({TABLE}.dropout={self._settings.dropout})")

    def is_straggler(self) -> bool:
        """Tell whether the client is one of the slow ones: their share, rounded, of all."""
        count = round(self._settings.stragglers * self._num_partitions)
        if not count:
            return False
        draw = seeds.generator(self._seed, "simulated stragglers")
        slow = torch.randperm(self._num_partitions, generator=draw)[:count]
        return self._partition in slow.tolist()

    def prolong(self, train_s: float) -> None:
        """Wait for as much longer as a straggler's training takes.

        Parameters
        ----------
        train_s : float
            Seconds that it took here.
        """
        if self.is_straggler():
            self._wait((self._settings.straggler_factor - 1) * train_s)

    def transmit(self, num_bytes: int) -> None:
        """Wait for as long as bytes take on the client's link."""
        if rate := self._settings.link_mbit:
            self._wait(num_bytes * 8 / (rate * 1e6))

    def _is_away(self) -> bool:
        own, chance = self._draw(self._partition), self._settings.dropout
        if own >= chance:
            return False
        # Every client orders all alike, and those first in the order stay.
        mine = own, -self._partition
        others = range(self._num_partitions)
        before = (other for other in others if (self._draw(other), -other) > mine)
        return sum(1 for _ in islice(before, self._min_replies)) == self._min_replies

    def _draw(self, partition: int) -> float:
        draw = seeds.generator(
            self._seed,
            "simulated dropout",
            round_number=self._round_number,
            partition=partition,
        )
        return torch.rand((), generator=draw).item()
