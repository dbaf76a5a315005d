"""Which descriptions of clients cannot be, beside what they and all others said."""

from collections.abc import Sequence
from statistics import median_low
from typing import Final, final

from strategies.common.magnitudes import QUORUM
from strategies.common.transport.control import Description

# A client with more samples than so many times what is usual would be alone in every mean.
_MOST_SAMPLES: Final = 10_000
# What a server keeps for each architecture must not grow for ever; whoever replaces a device may
# have another model.
_MOST_ARCHITECTURES: Final = 3


@final
class Plausible:
    """Holds descriptions to each other.

    Parameters
    ----------
    carried : int
        Logical clients that every node carries.
    """

    def __init__(self, carried: int) -> None:
        self._carried = carried
        # With which each client took part in rounds, by key.
        self._architectures: dict[int, set[str]] = {}

    def take_note(self, described: Description) -> None:
        """Remember with which model a client took part in a round."""
        self._architectures.setdefault(described.partition, set()).add(described.holds.key)

    def objection(self, described: Description, every: Sequence[Description]) -> str | None:
        """Return which of a client's numbers is beside those of all others, or ``None``.

        Parameters
        ----------
        described : Description
            Of the client.
        every : Sequence[Description]
            Of all that are known, with its own.
        """
        if described.clients != self._carried:
            return (
                f"description.clients: expected {self._carried}, got {described.clients}; server "
                f"and devices must run with the same clients-per-node"
            )
        known = self._architectures.get(described.partition, set())
        if len(known | {described.holds.key}) > _MOST_ARCHITECTURES:
            return (
                f"description.architecture: expected one of the {len(known)} with which this "
                f"client took part before, got another; give it its model back"
            )
        if len(every) < QUORUM:
            return None
        for name in ("train_samples", "test_samples"):
            usual = max(1, median_low(getattr(own, name) for own in every))
            got = getattr(described, name)
            if got > _MOST_SAMPLES * usual:
                return (
                    f"description.{name}: expected at most {_MOST_SAMPLES} times what is usual "
                    f"here, {usual}, got {got}"
                )
        return None
