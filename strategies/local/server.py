"""The server half of Local: it sends nothing, keeps nothing and receives nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

from strategies.common.method import Aggregated, ServerHalf
from strategies.common.settings import RunSettings
from strategies.common.task import Task
from strategies.common.wire import Payload
from strategies.local.settings import LocalSettings


@final
@dataclass
class LocalServerState:
    """Nothing survives a round."""


@final
class LocalServer(ServerHalf[LocalServerState, Payload, Payload]):
    """Lets every client be.

    Parameters
    ----------
    _settings : LocalSettings
        Holds nothing.
    _run : RunSettings
        Not read; taken because every method's server half is built from both.
    """

    uplink: ClassVar[type[Payload] | None] = None
    needs_generator: ClassVar[bool] = False

    def __init__(self, _settings: LocalSettings, _run: RunSettings) -> None:
        pass

    def start(self, task: Task) -> LocalServerState:  # noqa: ARG002
        """Return the empty state; any task will do."""
        return LocalServerState()

    def downlink(self, state: LocalServerState, partition: int) -> None:
        """Send nothing."""

    def aggregate(
        self,
        state: LocalServerState,  # noqa: ARG002
        round_number: int,  # noqa: ARG002
        uplinks: Mapping[int, Payload],  # noqa: ARG002
    ) -> Aggregated:
        """Have nothing to say of the round."""
        return Aggregated()
