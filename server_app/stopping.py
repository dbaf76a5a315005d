"""When a run ends before its last round: its clients gain nothing on samples held out for that.

All of it follows from the journal, so that a resumed run ends where an undisturbed one does.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from server_app.journal import RoundLine


@final
@dataclass(frozen=True)
class Stop:
    """Why a run ended early.

    Attributes
    ----------
    round_number, best_round : int
        The last round, and the one with the best mean validation accuracy.
    """

    round_number: int
    best_round: int

    def __str__(self) -> str:
        """Say it in a sentence without its full stop."""
        waited = self.round_number - self.best_round
        rounds = "1 round" if waited == 1 else f"{waited} rounds"
        return (
            f"stopped after round {self.round_number}: no gain on validation for {rounds}; "
            f"best round {self.best_round}"
        )


@final
class StopRule:
    """Takes in one round after another.

    Parameters
    ----------
    patience : int
        Rounds without a higher mean validation accuracy after which a run ends; 0 never ends it.
        Rounds that tell no validation accuracy end nothing, and count.

    Attributes
    ----------
    stop : Stop | None
        Where the run ended.
    """

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._best_round, self._best = 0, -1.0
        self.stop: Stop | None = None

    def take(self, line: RoundLine) -> Stop | None:
        """Take in a round, and return the stop that it brings."""
        told = line.validation_accuracy
        if told is None or not self._patience or self.stop:
            return None
        if told > self._best:
            self._best_round, self._best = line.round_number, told
        elif line.round_number - self._best_round >= self._patience:
            self.stop = Stop(line.round_number, self._best_round)
        return self.stop


def stop_of(rounds: Iterable[RoundLine], patience: int) -> Stop | None:
    """Return where a run ended early; ``None`` where it did not."""
    rule = StopRule(patience)
    return next((stop for line in rounds if (stop := rule.take(line))), None)
