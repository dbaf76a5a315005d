"""The server half of FedLoRA: the mean of low-rank updates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

from torch import Tensor

from strategies.common.adapters.halves import AdapterServerHalf
from strategies.common.errors import WireError
from strategies.common.magnitudes import ADAPTER_FACTOR, Size
from strategies.common.presentation import Presentation, Setting
from strategies.common.round import Aggregated, Reply
from strategies.fedlora.lora_aggregation import (
    added,
    magnitude,
    naive,
    relative_error,
    stack,
    svd,
    truncated,
)
from strategies.fedlora.lora_factors import LoraFactors
from strategies.fedlora.lora_shape import LoraShape
from strategies.fedlora.measured import MEASURED
from strategies.fedlora.settings import FedLoRASettings
from strategies.fedlora.wire import WIRE, GlobalUpdate, TrainedFactors, shape_of

# Share of an update's own size below which two of them are the same.
_ROUNDING = 1e-6


@final
@dataclass
class FedLoRAServerState:
    """What survives a round.

    Attributes
    ----------
    factors : Tensor | None
        (rank, width) the federation's update; ``None`` before there is one.
    """

    factors: Tensor | None = None


@final
class FedLoRAServer(
    AdapterServerHalf[FedLoRASettings, FedLoRAServerState, GlobalUpdate, TrainedFactors]
):
    """Averages low-rank updates."""

    wire = WIRE

    @classmethod
    def presentation(cls, settings: Mapping[str, Setting]) -> Presentation:
        """State how what aggregation comes to is drawn."""
        return replace(super().presentation(settings), measured=MEASURED)

    def start(self) -> FedLoRAServerState:
        """Return no update."""
        return FedLoRAServerState()

    def broadcast(self, state: FedLoRAServerState) -> GlobalUpdate | None:
        """Return the update so far, whole, so that a client that missed rounds lacks nothing."""
        return None if state.factors is None else GlobalUpdate.of(state.factors, self._shape)

    def check(self, state: FedLoRAServerState, reply: Reply[TrainedFactors]) -> None:
        """Refuse factors of other layers, of another rank than agreed, or that did not learn.

        Raises
        ------
        WireError
            Saying what is wrong.
        """
        where, uplink = f"client {reply.partition}", reply.uplink
        rank = self.settings.rank_in(self._shape, reply.partition)
        if len(uplink.factors) != rank:
            raise WireError(
                f"{where}: {uplink.schema}.factors: expected rank {rank} for this client, got "
                f"{len(uplink.factors)}; server and devices must have the same fedlora.ranks"
            )
        factors = uplink.read(where, self._shape)
        if self._is_untrained(factors, self._held(state)):
            raise WireError(
                f"{where}: {uplink.schema}.factors: expected trained factors, got an update that "
                f"changes nothing of what was sent; the client did not learn"
            )

    def magnitudes(
        self,
        state: FedLoRAServerState,
        reply: Reply[TrainedFactors],
    ) -> Mapping[str, Size]:
        """Return how large the factors are, and the change that they come to.

        The rows of factors are of any size beside each other, and one factor may be small where
        the other is large: neither alone says how far the weights move.
        """
        uplink = reply.uplink
        whole = float(uplink.factors.double().square().mean().sqrt())
        update = magnitude(uplink.read("upload", self._shape))
        found = {"factors": whole, "update": update}
        return {
            name: Size((value,), learnt=True, factor=ADAPTER_FACTOR)
            for name, value in found.items()
        }

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
        factors = [r.uplink.read(f"client {r.partition}", shape) for r in replies]
        by_samples = self.provided.adapters.aggregation_weights == "samples"
        weights = [float(reply.samples) if by_samples else 1.0 for reply in replies]
        held = self._held(state)
        match self.settings.aggregation:
            case "stack":
                found = stack(factors, weights)
                update = found if held is None else added(held, found)
            case "svd":
                found = update = svd(factors, weights, self.settings.largest_in(shape))
            case "naive":
                found = update = naive(factors, weights)
        state.factors = update.rows()
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
        return LoraFactors.from_rows(self._shape, state.factors)

    def _is_untrained(self, factors: LoraFactors, sent: LoraFactors | None) -> bool:
        if not any(bool(up.any()) for up in factors.up):
            return True
        if sent is None or self.settings.is_stacked:
            return False
        return relative_error(truncated(sent, factors.rank), [factors], [1.0]) < _ROUNDING
