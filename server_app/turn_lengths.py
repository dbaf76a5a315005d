"""How long nodes took to answer, which says when their silence is worth a question."""

from collections.abc import Mapping
from typing import Final, final

# Until more is known of a node; what starts an app, even a cold one on a board, is done in it.
LEAST_PATIENCE_S: Final = 60.0
# A turn that takes twice as long as the last one is no wonder on a board that is hot.
_TIMES_ITS_LAST: Final = 2


@final
class TurnLengths:
    """The last turn of every node, of each kind."""

    def __init__(self) -> None:
        self._last_s: dict[tuple[str, int], float] = {}

    def take(self, kind: str, seconds: Mapping[int, float]) -> None:
        """Take note of turns that have ended, in seconds by node id."""
        self._last_s |= {(kind, node_id): took_s for node_id, took_s in seconds.items()}

    def patience_s(self, kind: str, node_id: int) -> float:
        """Return the seconds after which a node's silence is longer than usual.

        Examples
        --------
        >>> turns = TurnLengths()
        >>> turns.take("train", {7: 100.0, 8: 2.0})
        >>> [turns.patience_s("train", node_id) for node_id in (7, 8, 9)]
        [200.0, 60.0, 60.0]
        """
        return max(LEAST_PATIENCE_S, _TIMES_ITS_LAST * self._last_s.get((kind, node_id), 0.0))
