"""The server's part of every method that averages bottleneck adapters."""

from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor

from strategies.common import seeds
from strategies.common.adapters.adapter_set import AdapterSet, AdapterShape
from strategies.common.adapters.foundation import adapter_shape
from strategies.common.adapters.keys import keys_of, require_samples
from strategies.common.adapters.settings import AdapterSettings
from strategies.common.adapters.wire import SharedAdapter, TrainedAdapter, check_keys
from strategies.common.errors import WireError
from strategies.common.method import Aggregated
from strategies.common.settings import RunSettings
from strategies.common.task import Task


@final
class SharedMean:
    """Sends the shared adapter, refuses what is none, and averages.

    The mean of bottlenecks is not the bottleneck of mean outputs: both layers are averaged
    apart, and hidden units may have changed places. Adapters that begin every round alike
    keep that error small; low-rank updates can be averaged exactly, see
    ``lora_aggregation``.

    Parameters
    ----------
    settings : AdapterSettings
        First weights, and how clients are weighed.
    run : RunSettings
        Seed and dtype of the wire.
    """

    def __init__(self, settings: AdapterSettings, run: RunSettings) -> None:
        self._settings, self._run = settings, run
        self._shape: AdapterShape | None = None
        self._packed: tuple[Tensor, SharedAdapter] | None = None
        self._sent: Tensor | None = None

    def start(self, task: Task) -> Tensor:
        """Return a fresh adapter, (parameters,).

        Raises
        ------
        ModelError
            If the task has no foundation model.
        """
        self._shape = adapter_shape(task)
        randomness = seeds.generator(self._run.seed, "shared-adapter")
        return AdapterSet(self._shape, self._settings.initialisation, randomness).vector()

    def payload(self, shared: Tensor) -> SharedAdapter:
        """Return what goes down to every client; one object, packed for sending once."""
        if self._packed is None or self._packed[0] is not shared:
            self._packed = shared, SharedAdapter(shared, keys_of(self._known_shape))
            # As it arrives.
            self._sent = shared.half().float() if self._run.wire_dtype == "float16" else shared
        return self._packed[1]

    def check(self, partition: int, uplink: TrainedAdapter) -> None:
        """Refuse an adapter that did not move, has other keys or stands for no sample.

        Raises
        ------
        WireError
            Saying what is wrong; the client then counts as failed.
        """
        where = f"client {partition}"
        check_keys(where, uplink, self._known_shape)
        require_samples(f"{where}: {uplink.schema}", uplink.samples)
        if self._sent is not None and torch.equal(uplink.adapter, self._sent):
            raise WireError(
                f"{where}: {uplink.schema}.adapter: expected a trained adapter, got the one that "
                f"was sent; the client did not learn, or sent a copy from before it did"
            )

    def of(
        self, shared: Tensor, uplinks: Mapping[int, TrainedAdapter]
    ) -> tuple[Tensor, Aggregated]:
        """Return the weighted mean of the clients' adapters, or the old one without any.

        Diagnostics are how far the clients moved the adapter, and how far their mean did: a
        mean that moves far less says that they pull in different directions.

        Parameters
        ----------
        shared : Tensor
            (parameters,) what they started from.
        uplinks : Mapping[int, TrainedAdapter]
            By partition.
        """
        if not uplinks:
            return shared, Aggregated()
        by_samples = self._settings.aggregation_weights == "samples"
        weights = torch.tensor(
            [float(uplink.samples) if by_samples else 1.0 for uplink in uplinks.values()],
            dtype=torch.float64,
        )
        adapters = torch.stack([uplink.adapter for uplink in uplinks.values()])
        mean = (weights / weights.sum() @ adapters.double()).float()
        moved = float((adapters - shared).norm(dim=1).mean())
        diagnostics = {
            "adapter_moved_by_clients": moved,
            "adapter_moved": float((mean - shared).norm()),
        }
        return mean, Aggregated(diagnostics)

    @property
    def _known_shape(self) -> AdapterShape:
        if self._shape is None:
            raise RuntimeError("the server half was asked to work before it was started")
        return self._shape
