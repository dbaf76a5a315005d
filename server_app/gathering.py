"""Waiting before a round until enough clients are there."""

import time
from collections.abc import Callable, Mapping
from typing import final

from server_app.client import Client
from server_app.messenger import Watcher
from server_app.roster import Roster
from strategies.common.errors import FederationError, ModelError
from strategies.common.settings import RunSettings

# A node that was asked who it is usually answers within seconds; after this long a round
# starts without it.
PATIENCE_S = 60.0
_WAIT_POLL_S = 0.1
# Nodes that start together are there within this time of each other; simulated ones at once.
ARRIVAL_S = 15.0
# Times quorum-timeout-s, in which nodes that answer one after another may keep a round waiting.
_LONGEST_GATHERING = 10


@final
class Gathering:
    """Waits for clients.

    Parameters
    ----------
    roster : Roster
        Who is there.
    run : RunSettings
        How many are needed, and how long they are waited for.
    watch : Watcher
        Told how many there are.
    networked : bool
        Whether nodes come over a network, one after another.
    """

    def __init__(
        self, roster: Roster, run: RunSettings, watch: Watcher, *, networked: bool
    ) -> None:
        self._roster = roster
        self._run = run
        self._watch = watch
        self._networked = networked

    def wait(self, round_number: int, *, first: bool) -> dict[int, Client]:
        """Wait until enough clients are there.

        Parameters
        ----------
        round_number : int
            Round that is about to start.
        first : bool
            Whether it is the first one since the server started; enough nodes of which some
            cannot take part are then an error as soon as no other is to be expected, since waiting
            would not mend it.

        Returns
        -------
        dict[int, Client]
            Clients that are online and agree on the task, by partition.

        Raises
        ------
        FederationError
            If ``quorum_timeout_s`` passes first without an answer from any node.
        """
        needed = self._run.min_nodes
        started = since = time.monotonic()
        heard = self._roster.heard
        if not first:
            self._roster.ask_again()
        while True:
            self._roster.refresh()
            clients = self._roster.clients()
            if len(clients) >= needed and not self._roster.undecided(PATIENCE_S):
                self._roster.task()
                clients = self._roster.clients()
                if len(clients) >= needed:
                    return clients
            self._watch(round_number, "waiting for nodes", len(clients), needed)
            now = time.monotonic()
            if self._roster.heard > heard:
                # Slow nodes are not too few nodes.
                since, heard = now, self._roster.heard
            # A node that cannot take part must not keep out those that are still on their way.
            all_are_there = not self._networked or now - since > ARRIVAL_S
            refusing = first and all_are_there and self._roster.all_answered() >= needed
            if refusing or self._is_over(now - since, now - started):
                raise FederationError(self._too_few(round_number, len(clients), now - started))
            time.sleep(_WAIT_POLL_S)

    def fitting(
        self,
        round_number: int,
        clients: dict[int, Client],
        check: Callable[[Mapping[int, Client]], None],
    ) -> dict[int, Client]:
        """Wait for others where those that came first are none that a method can bring together.

        Parameters
        ----------
        round_number : int
            Round that is about to start.
        clients : dict[int, Client]
            Who is there.
        check : Callable[[Mapping[int, Client]], None]
            Raises a ``ModelError`` where they do not fit.

        Raises
        ------
        ModelError
            If all are there, as far as they know, or ``quorum_timeout_s`` passes first.
        FederationError
            If too few are left.
        """
        started = time.monotonic()
        while True:
            try:
                check(clients)
            except ModelError:
                waited = time.monotonic() - started
                every = max(client.description.num_partitions for client in clients.values())
                is_all = not self._networked or len(clients) >= every
                if is_all or waited > self._run.quorum_timeout_s:
                    raise
            else:
                return clients
            self._watch(round_number, "waiting for nodes that fit", len(clients), 0)
            time.sleep(_WAIT_POLL_S)
            # Some may have gone meanwhile: one alone fits, and is not enough.
            clients = self.wait(round_number, first=True)

    def _is_over(self, silence_s: float, waited_s: float) -> bool:
        """Tell whether nobody new is to be expected, whoever keeps coming."""
        patience = self._run.quorum_timeout_s
        return silence_s > patience or waited_s > _LONGEST_GATHERING * patience

    def _too_few(self, round_number: int, found: int, waited: float) -> str:
        reasons = list_reasons(self._roster.failures) or "none"
        return (
            f"round {round_number}: expected min-nodes={self._run.min_nodes} nodes that can take "
            f"part, got {found} after {waited:.0f} s; nodes that cannot: {reasons}"
        )


def list_reasons(failures: Mapping[int, str]) -> str:
    """Say each reason once, after all who gave it."""
    told: dict[str, list[str]] = {}
    for key in sorted(failures):
        who, _, reason = failures[key].partition(": ")
        told.setdefault(reason, []).append(who)
    return "; ".join(f"{', '.join(who)}: {reason}" for reason, who in told.items())
