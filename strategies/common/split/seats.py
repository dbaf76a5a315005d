"""Which of a node's logical clients take part in a session, and where."""

from collections.abc import Sequence

from strategies.common.device import ExchangeDevice


def seated(device: ExchangeDevice) -> dict[int, tuple[int, ...]]:
    """Return this node's clients by cohort, for the cohorts in which it has any."""
    seats = device.link.plan.seats(device.partition, len(device.clients))
    return {cohort: clients for cohort, clients in enumerate(seats) if clients}


def rows_of(device: ExchangeDevice, clients: Sequence[int]) -> list[int]:
    """Return at which places of the node's clients some of them stand."""
    carried = [client.partition for client in device.clients]
    return [carried.index(client) for client in clients]
