"""What happened before a round, to be told in that round's line."""

from dataclasses import dataclass, field
from typing import final

from server_app.crossed import Crossed
from server_app.round_record import RoundRecord
from strategies.common.round import Aggregated


@final
@dataclass
class Stage:
    """What happened before a round.

    Attributes
    ----------
    seconds : float
        How long it took.
    said : Aggregated
        Numbers, notes and pictures, for the journal.
    crossed : dict[int, Crossed]
        Bytes of each client, by partition.
    """

    seconds: float = 0.0
    said: Aggregated = field(default_factory=Aggregated)
    crossed: dict[int, Crossed] = field(default_factory=dict)

    def tell(self, record: RoundRecord) -> None:
        """Let a round's record know what crossed before it, and how long that took."""
        if self.seconds:
            record.seconds["augment"] = self.seconds
        record.before = self.crossed
