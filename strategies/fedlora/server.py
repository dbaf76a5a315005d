"""The server half of FedLoRA: the mean of low-rank updates."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from strategies.common.adapters.halves import AdapterServerHalf
from strategies.common.adapters.keys import keys_of
from strategies.common.errors import WireError
from strategies.common.round import Aggregated, Reply
from strategies.fedlora.lora_aggregation import (
    added,
    naive,
    relative_error,
    stack,
    svd,
    truncated,
)
from strategies.fedlora.lora_factors import LoraFactors
from strategies.fedlora.lora_shape import LoraShape
from strategies.fedlora.settings import FedLoRASettings
from strategies.fedlora.wire import WIRE, GlobalUpdate, TrainedFactors, read_factors, shape_of

# Share of an update's own size below which two of them are the same.
_ROUNDING = 1e-6


@final
@dataclass
class FedLoRAServerState:
    """What survives a round.

    Attributes
    ----------
    factors : Tensor | None
        (parameters,) the federation's update; ``None`` before there is one.
    rank : Tensor
        () int64 its rank.
    """

    factors: Tensor | None
    rank: Tensor


@final
class FedLoRAServer(
    AdapterServerHalf[FedLoRASettings, FedLoRAServerState, GlobalUpdate, TrainedFactors]
):
    """Averages low-rank updates."""

    wire = WIRE

    def start(self) -> FedLoRAServerState:
        """Return no update."""
        return FedLoRAServerState(None, torch.tensor(0))

    def broadcast(self, state: FedLoRAServerState) -> GlobalUpdate | None:
        """Return the update so far, whole, so that a client that missed rounds lacks nothing."""
        if state.factors is None:
            return None
        return GlobalUpdate(state.factors, state.rank.reshape(1), keys_of(self._shape))

    def check(self, state: FedLoRAServerState, reply: Reply[TrainedFactors]) -> None:
        """Refuse factors of other layers, of another rank than agreed, or that did not learn.

        Raises
        ------
        WireError
            Saying what is wrong.
        """
        where, uplink = f"client {reply.partition}", reply.uplink
        rank = min(self.settings.rank_of(reply.partition), self._shape.full_rank)
        if int(uplink.rank) != rank:
            raise WireError(
                f"{where}: {uplink.schema}.rank: expected {rank} for this client, got "
                f"{int(uplink.rank)}; server and devices must have the same fedlora.ranks"
            )
        factors = read_factors(where, uplink, self._shape)
        if self._is_untrained(factors, self._held(state)):
            raise WireError(
                f"{where}: {uplink.schema}.factors: expected trained factors, got an update that "
                f"changes nothing of what was sent; the client did not learn"
            )

    def aggregate(
        self,
        state: FedLoRAServerState,
        round_number: int,
        replies: Sequence[Reply[TrainedFactors]],
    ) -> Aggregated:
        """Take in the clients' updates; diagnostics say how far the result is from their mean."""
        if not replies:
            return Aggregated()
        shape = self._shape
        factors = [read_factors(f"client {r.partition}", r.uplink, shape) for r in replies]
        by_samples = self.provided.adapters.aggregation_weights == "samples"
        weights = [float(reply.samples) if by_samples else 1.0 for reply in replies]
        held = self._held(state)
        match self.settings.aggregation:
            case "stack":
                found = stack(factors, weights)
                update = found if held is None else added(held, found)
            case "svd":
                found = update = svd(factors, weights, min(self.settings.largest, shape.full_rank))
            case "naive":
                found = update = naive(factors, weights)
        state.factors, state.rank = update.vector(), torch.tensor(update.rank)
        return Aggregated(
            {
                "aggregation_error": relative_error(found, factors, weights),
                "update_rank": float(update.rank),
            }
        )

    @property
    def _shape(self) -> LoraShape:
        return shape_of(self.agreed.task)

    def _held(self, state: FedLoRAServerState) -> LoraFactors | None:
        if state.factors is None:
            return None
        return LoraFactors.from_vector(self._shape, int(state.rank), state.factors)

    def _is_untrained(self, factors: LoraFactors, sent: LoraFactors | None) -> bool:
        if not any(bool(up.any()) for up in factors.up):
            return True
        if sent is None or self.settings.aggregation == "stack":
            return False
        return relative_error(truncated(sent, factors.rank), [factors], [1.0]) < _ROUNDING
