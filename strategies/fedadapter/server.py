"""The server half of FedAdapter: the mean of the clients' adapters, for as long as it is asked."""

from collections.abc import Mapping
from dataclasses import replace
from typing import final

from strategies.common.adapters.shared_adapter import AveragingServerHalf, SharedAdapterState
from strategies.common.adapters.wire import SharedAdapter
from strategies.common.presentation import Presentation, Setting
from strategies.common.round import Phase
from strategies.fedadapter.settings import FedAdapterSettings
from strategies.fedadapter.wire import phase_of


@final
class FedAdapterServer(AveragingServerHalf[FedAdapterSettings]):
    """Averages adapters."""

    @classmethod
    def presentation(cls, settings: Mapping[str, Setting]) -> Presentation:
        """State that clients also have adapters of their own, or nothing else."""
        stated = super().presentation(settings)
        alone = settings.get("shared-rounds") == 0
        return replace(
            stated,
            alone=alone,
            variant="each client alone" if alone else "",
            models={**stated.models, "own": "the client's adapter before it was averaged"},
            headline=("shared", "own"),
        )

    def phase(self, round_number: int) -> Phase:
        """Return the payloads of a round: adapters go up for as long as they are shared."""
        return phase_of(self.settings, round_number)

    def broadcast(self, state: SharedAdapterState) -> SharedAdapter | None:
        """Return the adapter, up to the one that clients go on from alone."""
        averaged = int(state.completed)
        if averaged and self.phase(averaged).up is None:
            return None
        return super().broadcast(state)
