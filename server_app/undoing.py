"""Aggregations that fail are undone, once: a round that cannot be taken in ends no run."""

from collections.abc import Callable
from typing import final

from strategies.common.errors import ModelError
from strategies.common.round import Aggregated


@final
class Undoing:
    """Remembers which round's aggregation was undone last."""

    def __init__(self) -> None:
        self._last = -1

    def take_in(
        self,
        round_number: int,
        aggregate: Callable[[], Aggregated],
        restore: Callable[[], None],
    ) -> Aggregated:
        """Let a server half take in a round; one that it cannot take in is undone.

        Parameters
        ----------
        round_number : int
            Which round.
        aggregate : Callable[[], Aggregated]
            Changes the server half's state in place, and raises where it cannot be used.
        restore : Callable[[], None]
            Puts the state back to what it was before the round.

        Raises
        ------
        ModelError
            If that happens in two rounds one after another; or whatever else was raised.
        """
        try:
            return aggregate()
        except (ModelError, ValueError, ArithmeticError, RuntimeError) as error:
            if self._last == round_number - 1:
                raise
            self._last = round_number
            restore()
            reason = f"{type(error).__name__}: {error}"
            note = f"aggregation failed and is undone, nothing was learnt in this round: {reason}"
            return Aggregated(notes=(note,))
