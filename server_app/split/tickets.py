"""Who may open a stream: one secret per node and session.

The server keeps digests only, and forgets them when the session ends. A token travels down
with the round's invitation and up in the call's metadata, both encrypted.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterable
from typing import final

from server_app.split.refusals import Reason, RefusalError

TOKEN_BYTES = 32


@final
class Tickets:
    """The tokens of one session.

    Parameters
    ----------
    partitions : Iterable[int]
        Nodes that get one.
    lifetime_s : float
        How long they hold good.
    clock : Callable[[], float]
        Monotonic seconds.
    """

    def __init__(
        self,
        partitions: Iterable[int],
        lifetime_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._expiry = clock() + lifetime_s
        self._tokens = {p: secrets.token_bytes(TOKEN_BYTES) for p in partitions}
        self._digests = {hashlib.sha256(t).digest(): p for p, t in self._tokens.items()}

    def token(self, partition: int) -> bytes:
        """Return a node's token."""
        return self._tokens[partition]

    def check(self, token: bytes | None) -> int:
        """Return the node that a token belongs to.

        Raises
        ------
        RefusalError
            If there is none, or it is unknown or has expired.
        """
        shown = hashlib.sha256(token or b"").digest()
        owner = None
        # All are compared, so that the time taken tells nothing.
        for digest, partition in self._digests.items():
            if hmac.compare_digest(digest, shown):
                owner = partition
        if owner is None:
            raise RefusalError(
                Reason.TOKEN,
                "expected this session's token; the session may be over, or the invitation may "
                "be an older round's",
            )
        if self._clock() > self._expiry:
            raise RefusalError(
                Reason.EXPIRED, "the token's time is over; take part in the next round"
            )
        return owner

    def revoke(self) -> None:
        """Forget all tokens."""
        self._tokens.clear()
        self._digests.clear()
