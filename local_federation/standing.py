"""A run of a SuperLink that somebody else has started, and that may be away for a while."""

import time
from typing import Final, final

from local_federation.processes import Child
from local_federation.superlink import SuperLink

_PATIENCE_S: Final = 600.0
_FINISHED: Final = "finished:"
_UNKNOWN: Final = "unknown:"


@final
class StandingRun:
    """It goes on when its SuperLink is started anew; satisfies ``Playing``.

    Parameters
    ----------
    superlink : SuperLink
        Where it runs.
    child : Child
        Started it, and ends when it ends or the SuperLink does.
    """

    def __init__(self, superlink: SuperLink, child: Child) -> None:
        self._superlink = superlink
        self._child = child
        self._watching = child
        self._missed_since: float | None = None
        self._over = False
        self.log = child.log

    def ended(self, timeout_s: float) -> str | None:
        """Wait for its end and say how it came; ``None`` if it goes on."""
        if self._watching.wait(timeout_s) is None:
            return None
        if self._superlink.run_id(self._child) is None:
            return "not started"
        status = self._superlink.status(self._child)
        self._over = status.startswith(_FINISHED)
        if self._over or not self._may_come_back(known=not status.startswith(_UNKNOWN)):
            return status
        # Flower's commands give up at once when a SuperLink is away; the run does not.
        self._watching = self._superlink.follow_log(self._child)
        return None

    def tail(self, lines: int) -> str:
        """Return the last lines of its log."""
        return self._watching.tail(lines)

    def stop(self) -> None:
        """End it if it goes on."""
        self._watching.stop()
        if not self._over:
            self._superlink.end(self._child)

    def _may_come_back(self, *, known: bool) -> bool:
        now = time.monotonic()
        if known:
            self._missed_since = None
            return True
        if self._missed_since is None:
            self._missed_since = now
        return now - self._missed_since < _PATIENCE_S
