"""A device's stream to the server, for the rounds that have one."""

from collections.abc import Iterator
from contextlib import contextmanager

from strategies.common.split.link import Link
from strategies.common.split.wire.invitation import Invitation


@contextmanager
def open_link(invitation: Invitation | None, partition: int) -> Iterator[Link | None]:
    """Offer a stream for the length of a round; nothing is dialled before it is used.

    Parameters
    ----------
    invitation : Invitation | None
        What the server sent; ``None`` where the method exchanges nothing within a round.
    partition : int
        This node.
    """
    if invitation is None:
        yield None
        return
    # gRPC is loaded by devices that exchange activations, and by no others.
    from client_app.split.stream import StreamLink  # noqa: PLC0415

    link = StreamLink(invitation, partition)
    try:
        yield link
    finally:
        link.close()
