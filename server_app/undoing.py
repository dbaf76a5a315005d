"""Aggregations that fail are undone, once: a round that cannot be taken in ends no run."""

from collections.abc import Callable
from typing import final

from server_app.round_context import PlayedRound
from server_app.sendable import require_sendable
from strategies.common.errors import ModelError
from strategies.common.method import AnyServerHalf
from strategies.common.round import Aggregated
from strategies.common.settings import RunSettings
from strategies.common.transport.compute import threads
from strategies.common.transport.state import require_finite


@final
class Undoing:
    """Lets a server half take in rounds, and remembers which was undone last.

    Parameters
    ----------
    half : ServerHalf
        The method.
    run : RunSettings
        General settings.
    """

    def __init__(self, half: AnyServerHalf, run: RunSettings) -> None:
        self._half = half
        self._run = run
        self._last = -1

    def take_in(self, played: PlayedRound, restore: Callable[[], None]) -> Aggregated:
        """Let the server half take in a round; one that it cannot take in is undone.

        Parameters
        ----------
        played : PlayedRound
            The round; the state that it was played with is changed in place.
        restore : Callable[[], None]
            Puts the state back to what it was before the round.

        Raises
        ------
        ModelError
            If that happens in two rounds one after another; or whatever else was raised.
        """
        number, state = played.context.round_number, played.context.state
        try:
            with played.record.timed("aggregate"), threads(self._run.server_threads):
                found = played.aggregate()
            require_finite(state)
            require_sendable(self._half, played.context, self._run.wire_dtype)
        except (ModelError, ValueError, ArithmeticError, RuntimeError) as error:
            if self._last == number - 1:
                raise
            self._last = number
            restore()
            # Clients keep what they made of the round that is undone.
            self._half.gone_back(state)
            reason = f"{type(error).__name__}: {error}"
            note = f"aggregation failed and is undone, nothing was learnt in this round: {reason}"
            return Aggregated(notes=(note,))
        return found.finite()
