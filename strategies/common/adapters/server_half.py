"""The server half of methods that average one shared adapter."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from strategies.common.adapters.averaging import SharedMean
from strategies.common.adapters.settings import AdapterSettings
from strategies.common.adapters.wire import SharedAdapter, TrainedAdapter
from strategies.common.method import Aggregated, ServerHalf
from strategies.common.settings import RunSettings
from strategies.common.task import Task
from strategies.common.wire import Payload


@final
@dataclass
class SharedAdapterState:
    """What survives a round.

    Attributes
    ----------
    shared : Tensor
        (parameters,) the shared adapter.
    completed : Tensor
        () int64 rounds that were aggregated.
    """

    shared: Tensor
    completed: Tensor


class AveragingServerHalf(ServerHalf[SharedAdapterState, SharedAdapter, TrainedAdapter]):
    """Averages the clients' adapters.

    Parameters
    ----------
    run : RunSettings
        Seed and dtype of the wire.
    adapters : AdapterSettings
        First adapter, and how clients are weighed.
    """

    uplink: ClassVar[type[Payload] | None] = TrainedAdapter
    needs_generator: ClassVar[bool] = False
    adapts: ClassVar[bool] = True
    tests_aggregate: ClassVar[bool] = True

    def __init__(self, run: RunSettings, adapters: AdapterSettings) -> None:
        self._mean = SharedMean(adapters, run)

    @final
    def start(self, task: Task) -> SharedAdapterState:
        """Return a fresh adapter.

        Raises
        ------
        ModelError
            If the clients' task has no foundation model.
        """
        return SharedAdapterState(self._mean.start(task), torch.tensor(0))

    def downlink(self, state: SharedAdapterState, partition: int) -> SharedAdapter | None:  # noqa: ARG002
        """Return the same adapter for every client."""
        return self._mean.payload(state.shared)

    @final
    def check(self, partition: int, uplink: TrainedAdapter) -> None:
        """Refuse an adapter that did not move, or is of other keys.

        Raises
        ------
        WireError
            Saying what is wrong.
        """
        self._mean.check(partition, uplink)

    @final
    def aggregate(
        self, state: SharedAdapterState, round_number: int, uplinks: Mapping[int, TrainedAdapter]
    ) -> Aggregated:
        """Replace the adapter by the mean; keep it where nobody sent one."""
        state.shared, said = self._mean.of(state.shared, uplinks)
        state.completed = torch.tensor(round_number)
        return said
