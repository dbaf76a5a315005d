"""The server half of FedDAT: the mean of the clients' shared adapters."""

from collections.abc import Mapping
from dataclasses import replace
from typing import final

from strategies.common.adapters.shared_adapter import AveragingServerHalf
from strategies.common.presentation import Presentation, Setting
from strategies.feddat.settings import FedDATSettings


@final
class FedDATServer(AveragingServerHalf[FedDATSettings]):
    """Averages adapters in every round."""

    @classmethod
    def presentation(cls, settings: Mapping[str, Setting]) -> Presentation:
        """State which adapters answer, and which of them ``inference`` lets count."""
        stated = super().presentation(settings)
        teacher = "the mean of the client's own adapter and the shared one it learnt from"
        own = "the client's own adapter alone"
        return replace(
            stated,
            models={**stated.models, "teacher": teacher, "local": own},
            headline=(str(settings.get("inference", "shared")),),
        )
