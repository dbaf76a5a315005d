"""Which model of a client counts, and who tests it."""

from enum import Enum
from typing import final


@final
class Tested(Enum):
    """Which model of a client counts, and who tests it."""

    TRAINED = "the device tests what it trained, and says so in the same reply"
    WITH_AGGREGATED = "the device tests what it trained with what every round's aggregation made"
    AGGREGATED = "the device tests what aggregation made, asked once more after it"
    BY_SERVER = "the server tests, since it holds the rest of the network"

    @property
    def is_later(self) -> bool:
        """Whether devices are asked once more after aggregation."""
        return self in (Tested.WITH_AGGREGATED, Tested.AGGREGATED)
