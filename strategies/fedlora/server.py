"""The server half of FedLoRA: the mean of low-rank updates."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from strategies.common.adapters.keys import keys_of, require_samples
from strategies.common.adapters.settings import AdapterSettings
from strategies.common.errors import WireError
from strategies.common.method import Aggregated, ServerHalf
from strategies.common.settings import RunSettings
from strategies.common.task import Task
from strategies.common.wire import Payload
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
from strategies.fedlora.wire import GlobalUpdate, TrainedFactors, read_factors, shape_of

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
class FedLoRAServer(ServerHalf[FedLoRAServerState, GlobalUpdate, TrainedFactors]):
    """Averages low-rank updates.

    Parameters
    ----------
    settings : FedLoRASettings
        How.
    _run : RunSettings
        Not read; taken because every method's server half is built from both.
    adapters : AdapterSettings
        How clients are weighed.
    """

    uplink: ClassVar[type[Payload] | None] = TrainedFactors
    needs_generator: ClassVar[bool] = False
    adapts: ClassVar[bool] = True
    tests_aggregate: ClassVar[bool] = True

    def __init__(
        self, settings: FedLoRASettings, _run: RunSettings, adapters: AdapterSettings
    ) -> None:
        self._settings = settings
        self._by_samples = adapters.aggregation_weights == "samples"
        self._shape: LoraShape | None = None
        self._sent: LoraFactors | None = None

    def start(self, task: Task) -> FedLoRAServerState:
        """Return no update.

        Raises
        ------
        ModelError
            If the clients' task has no foundation model.
        """
        self._shape = shape_of(task)
        return FedLoRAServerState(None, torch.tensor(0))

    def downlink(self, state: FedLoRAServerState, partition: int) -> GlobalUpdate | None:  # noqa: ARG002
        """Return the update so far, whole, so that a client that missed rounds lacks nothing."""
        self._sent = self._held(state)
        if self._sent is None or state.factors is None:
            return None
        return GlobalUpdate(state.factors, state.rank.reshape(1), keys_of(self._known_shape))

    def check(self, partition: int, uplink: TrainedFactors) -> None:
        """Refuse factors of other layers, of another rank than agreed, or that did not learn.

        Raises
        ------
        WireError
            Saying what is wrong.
        """
        where = f"client {partition}"
        shape = self._known_shape
        rank = min(self._settings.rank_of(partition), shape.full_rank)
        if int(uplink.rank) != rank:
            raise WireError(
                f"{where}: {uplink.schema}.rank: expected {rank} for this client, got "
                f"{int(uplink.rank)}; server and devices must have the same fedlora.ranks"
            )
        factors = read_factors(where, uplink, shape)
        require_samples(f"{where}: {uplink.schema}", uplink.samples)
        if self._is_untrained(factors):
            raise WireError(
                f"{where}: {uplink.schema}.factors: expected trained factors, got an update that "
                f"changes nothing of what was sent; the client did not learn"
            )

    def aggregate(
        self,
        state: FedLoRAServerState,
        round_number: int,  # noqa: ARG002
        uplinks: Mapping[int, TrainedFactors],
    ) -> Aggregated:
        """Take in the clients' updates; diagnostics say how far the result is from their mean."""
        if not uplinks:
            return Aggregated()
        shape = self._known_shape
        factors = [read_factors(f"client {p}", uplink, shape) for p, uplink in uplinks.items()]
        weights = [float(u.samples) if self._by_samples else 1.0 for u in uplinks.values()]
        held = self._held(state)
        match self._settings.aggregation:
            case "stack":
                found = stack(factors, weights)
                update = found if held is None else added(held, found)
            case "svd":
                found = update = svd(factors, weights, min(self._settings.largest, shape.full_rank))
            case "naive":
                found = update = naive(factors, weights)
        state.factors, state.rank = update.vector(), torch.tensor(update.rank)
        return Aggregated(
            {
                "aggregation_error": relative_error(found, factors, weights),
                "update_rank": float(update.rank),
            }
        )

    def _held(self, state: FedLoRAServerState) -> LoraFactors | None:
        if state.factors is None:
            return None
        return LoraFactors.from_vector(self._known_shape, int(state.rank), state.factors)

    def _is_untrained(self, factors: LoraFactors) -> bool:
        if not any(bool(up.any()) for up in factors.up):
            return True
        if self._sent is None or self._settings.aggregation == "stack":
            return False
        return relative_error(truncated(self._sent, factors.rank), [factors], [1.0]) < _ROUNDING

    @property
    def _known_shape(self) -> LoraShape:
        if self._shape is None:
            raise RuntimeError("the server half was asked to work before it was started")
        return self._shape
