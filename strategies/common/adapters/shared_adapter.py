"""The server half of methods that average one shared adapter."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, final

import torch
from torch import Tensor

from strategies.common import seeds
from strategies.common.adapters.adapter_set import AdapterSet
from strategies.common.adapters.foundation import adapter_shape
from strategies.common.adapters.halves import AdapterServerHalf
from strategies.common.adapters.keys import keys_of
from strategies.common.adapters.wire import WIRE, SharedAdapter, TrainedAdapter, check_keys
from strategies.common.averaging import average
from strategies.common.errors import WireError
from strategies.common.method import MethodSettings
from strategies.common.round import Aggregated, Phase, Reply


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


class AveragingServerHalf(
    AdapterServerHalf[MethodSettings, SharedAdapterState, SharedAdapter, TrainedAdapter],
    Generic[MethodSettings],
):
    """Sends the shared adapter, refuses what is none, and averages.

    The mean of bottlenecks is not the bottleneck of mean outputs: both layers are averaged
    apart, and hidden units may have changed places. Adapters that begin every round alike
    keep that error small; low-rank updates can be averaged exactly, see
    ``fedlora/lora_aggregation.py``.
    """

    wire: ClassVar[Phase] = WIRE

    @final
    def start(self) -> SharedAdapterState:
        """Return a fresh adapter.

        Raises
        ------
        ModelError
            If the clients' task has no foundation model.
        """
        randomness = seeds.generator(self.provided.run.seed, "shared-adapter")
        initialisation = self.provided.adapters.initialisation
        adapter = AdapterSet(adapter_shape(self.agreed.task), initialisation, randomness)
        return SharedAdapterState(adapter.vector(), torch.tensor(0))

    def broadcast(self, state: SharedAdapterState) -> SharedAdapter | None:
        """Return the adapter."""
        return SharedAdapter(state.shared, keys_of(adapter_shape(self.agreed.task)))

    @final
    def check(self, state: SharedAdapterState, reply: Reply[TrainedAdapter]) -> None:
        """Refuse an adapter that did not move, or has other keys.

        Raises
        ------
        WireError
            Saying what is wrong; the client then counts as failed.
        """
        where = f"client {reply.partition}"
        check_keys(where, reply.uplink, adapter_shape(self.agreed.task))
        half = self.provided.run.wire_dtype == "float16"
        arrived = state.shared.half().float() if half else state.shared
        if torch.equal(reply.uplink.adapter, arrived):
            raise WireError(
                f"{where}: {reply.uplink.schema}.adapter: expected a trained adapter, got the one "
                f"that was sent; the client did not learn, or sent a copy from before it did"
            )

    @final
    def aggregate(
        self,
        state: SharedAdapterState,
        round_number: int,
        replies: Sequence[Reply[TrainedAdapter]],
    ) -> Aggregated:
        """Replace the adapter by the weighted mean; keep it where nobody sent one.

        Diagnostics are how far the clients moved the adapter, and how far their mean did: a
        mean that moves far less says that they pull in different directions.
        """
        state.completed = torch.tensor(round_number)
        if not replies:
            return Aggregated()
        before, sent = state.shared, [reply.uplink.adapter for reply in replies]
        by_samples = self.provided.adapters.aggregation_weights == "samples"
        samples = [reply.samples if by_samples else 1 for reply in replies]
        state.shared = average(sent, [own / sum(samples) for own in samples])
        diagnostics = {
            "adapter_moved_by_clients": float((torch.stack(sent) - before).norm(dim=1).mean()),
            "adapter_moved": float((state.shared - before).norm()),
        }
        return Aggregated(diagnostics)
