"""Handing messages to Flower, on grids with a network in between and on grids without."""

from collections.abc import Iterable
from logging import WARNING
from typing import Protocol, runtime_checkable

from flwr.app import Message
from flwr.common.logger import log
from flwr.serverapp import Grid
from flwr.supercore.inflatable.inflatable_utils import ObjectPushError


@runtime_checkable
class KnowsReplies(Protocol):
    """A grid that knows when replies are there, without a look at a SuperLink."""

    def wait_for_replies(self, message_ids: Iterable[str], timeout_s: float) -> None:
        """Return once all replies to some messages are there, or after a while."""
        ...


def has_network(grid: Grid) -> bool:
    """Tell whether what nodes are sent, and what they reply, can be lost on the way."""
    if isinstance(grid, KnowsReplies):
        return False
    # It brings a database along, and has long been imported wherever Flower has made the grid.
    from flwr.superlink.grid import InMemoryGrid  # noqa: PLC0415

    return not isinstance(grid, InMemoryGrid)


def deliver(grid: Grid, messages: list[Message]) -> list[str | None]:
    """Hand messages over and return their ids, nothing for those that Flower does not take.

    A SuperLink that was killed after it had stored a part, and before it said so, refuses that part
    when it is back. It is handed everything once more: it knows what it has by its content.

    Parameters
    ----------
    grid : Grid
        Flower's connection to the nodes.
    messages : list[Message]
        At most one to each node.

    Returns
    -------
    list[str | None]
        One for each message, in their order.
    """
    if not messages:
        return []
    try:
        return list(grid.push_messages(messages))
    except ObjectPushError as error:
        log(WARNING, "handing messages over once more: %s", error)
        return list(grid.push_messages(messages))
