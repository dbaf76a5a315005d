"""DS-FL on the server: one distribution for each open sample, made surer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, final

import torch
from torch import Tensor

from strategies.common.averaging import average
from strategies.common.message import MessageServer
from strategies.common.presentation import Measured, Presentation, Setting
from strategies.common.round import Aggregated, Reply
from strategies.dsfl.entropy import entropy, powered, sharpened
from strategies.dsfl.settings import DSFLSettings
from strategies.dsfl.wire import WIRE, Consensus, Predictions

_MEASURED: Final = (
    Measured(
        "Entropy of what clients say of open samples (nats)",
        {"entropy_of_mean": "of their mean", "entropy": "of what is sent to them"},
        "Good: falling, and lower as sent; the logarithm of the number of classes is guessing.",
    ),
    Measured(
        "Open samples on which a client agrees with all, and which became surer",
        {"agreement": "agreement", "surer": "became surer"},
        "Good: near 1; a temperature that is too high for the number of classes makes them unsure.",
        share=True,
    ),
)


@final
@dataclass
class ConsensusState:
    """What the answers of the last round came to.

    Attributes
    ----------
    rows : Tensor
        (open, class) distributions; without rows before the first round.
    round : Tensor
        (1,) int64, that round; 0 for none.
    """

    rows: Tensor = field(default_factory=lambda: torch.zeros(0, 0))
    round: Tensor = field(default_factory=lambda: torch.zeros(1, dtype=torch.int64))


@final
class DSFLServer(MessageServer[DSFLSettings, ConsensusState, Consensus, Predictions]):
    """Aggregates with entropy reduction."""

    wire, state = WIRE, ConsensusState

    @classmethod
    def presentation(cls, settings: Mapping[str, Setting]) -> Presentation:
        """State how answers become one, and what is measured of it."""
        rule = str(settings.get("aggregation", "era"))
        return Presentation(
            variant={"mean": "simple aggregation", "power": "enhanced ERA"}.get(rule, ""),
            measured=_MEASURED,
        )

    def broadcast(self, state: ConsensusState) -> Consensus | None:
        """Return what the last round came to."""
        return Consensus(state.rows, state.round) if len(state.rows) else None

    def aggregate(
        self, state: ConsensusState, round_number: int, replies: Sequence[Reply[Predictions]]
    ) -> Aggregated:
        """Average all answers alike, and make them surer; keep what there is without any."""
        if not replies:
            return Aggregated()
        sent = [reply.uplink.rows for reply in replies]
        mean = average(sent)
        state.rows, state.round = self._one_of(sent, mean), torch.tensor([round_number])
        before, after = entropy(mean), entropy(state.rows)
        likeliest = state.rows.argmax(1)
        agreeing = [float((own.argmax(1) == likeliest).float().mean()) for own in sent]
        numbers = {
            "entropy_of_mean": float(before.mean()),
            "entropy": float(after.mean()),
            "agreement": sum(agreeing) / len(agreeing),
            "surer": float((after <= before).float().mean()),
        }
        return Aggregated(numbers, self._notes(mean.shape[1]))

    def _one_of(self, sent: Sequence[Tensor], mean: Tensor) -> Tensor:
        settings = self.settings
        if settings.aggregation == "mean":
            return mean
        if settings.aggregation == "power":
            return powered(mean, settings.power)
        if settings.era_order == "per_client":
            return average([sharpened(own, settings.temperature) for own in sent])
        return sharpened(mean, settings.temperature)

    def _notes(self, num_classes: int) -> tuple[str, ...]:
        settings = self.settings
        if settings.aggregation != "era" or settings.temperature <= 1 / num_classes:
            return ()
        return (
            f"dsfl.temperature={settings.temperature:g} is above one over the {num_classes} "
            f"classes, {1 / num_classes:.3g}: ERA makes outputs that are nearly even less sure; "
            f"lower it, or set dsfl.aggregation=power",
        )
