"""A SuperNode that looks for messages twice a second, and that is missed after 20 seconds.

Flower's own looks every three seconds, in which a tiny round is over, and is missed after a minute,
for which tests that kill one would wait. It has no options for either.
"""

import time
from typing import final

from flwr.supercore import heartbeat
from flwr.supernode import fleet_http_connection, start_client_internal
from flwr.supernode.cli import flower_supernode

FLOWERS_PAUSE_S = 3
PAUSE_S = 0.5
# The shortest that a SuperLink takes; it waits for two.
HEARTBEAT_S = 10


@final
class Clock:
    """Stands in for ``time`` in Flower's loop."""

    @staticmethod
    def sleep(seconds: float) -> None:
        time.sleep(PAUSE_S if seconds == FLOWERS_PAUSE_S else seconds)


def main() -> None:
    start_client_internal.time = Clock
    heartbeat.HEARTBEAT_DEFAULT_INTERVAL = HEARTBEAT_S
    fleet_http_connection.HEARTBEAT_DEFAULT_INTERVAL = HEARTBEAT_S
    flower_supernode()


if __name__ == "__main__":
    main()
