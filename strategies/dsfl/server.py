"""DS-FL on the server: one distribution for each open sample, made surer."""

from collections.abc import Mapping, Sequence
from typing import Final, final

from torch import Tensor

from strategies.common.averaging import average
from strategies.common.entropy import entropy
from strategies.common.open_consensus import ConsensusServer
from strategies.common.open_server_model import presented
from strategies.common.presentation import Measured, Presentation, Setting
from strategies.common.round import Aggregated
from strategies.dsfl.era import powered, sharpened
from strategies.dsfl.settings import DSFLSettings
from strategies.dsfl.wire import WIRE, Consensus, Predictions

_MEASURED: Final = (
    Measured(
        "Entropy of what clients say of open samples (nats)",
        {"entropy_of_mean": "of their mean", "entropy": "of what is sent to them"},
        "Good: falling, and lower as sent; the logarithm of the number of classes is guessing.",
    ),
    Measured(
        "Open samples of which what is sent is surer than the mean",
        {"surer": "became surer"},
        "Good: near 1; a temperature that is too high for the classes makes them unsure.",
        share=True,
    ),
)


@final
class DSFLServer(ConsensusServer[DSFLSettings, Consensus, Predictions]):
    """Aggregates with entropy reduction."""

    wire = WIRE

    @classmethod
    def presentation(cls, settings: Mapping[str, Setting]) -> Presentation:
        """State how answers become one, and what is measured of it."""
        rule = str(settings.get("aggregation", "era"))
        variant = {"mean": "simple aggregation", "power": "enhanced ERA"}.get(rule, "")
        return presented(Presentation(variant=variant, measured=_MEASURED), settings)

    def together(self, said: Sequence[Tensor], samples: Sequence[int]) -> tuple[Tensor, Aggregated]:
        """Average all answers alike, make them surer, and tell entropies before and after."""
        mean = average(said)
        consensus = self._sharpened(said, mean)
        before, after = entropy(mean), entropy(consensus)
        numbers = {
            "entropy_of_mean": float(before.mean()),
            "entropy": float(after.mean()),
            "surer": float((after <= before).float().mean()),
        }
        return consensus, Aggregated(numbers, self._notes(consensus.shape[1]))

    def _sharpened(self, said: Sequence[Tensor], mean: Tensor) -> Tensor:
        settings = self.settings
        if settings.aggregation == "mean":
            return mean
        if settings.aggregation == "power":
            return powered(mean, settings.power)
        if settings.era_order == "per_client":
            return average([sharpened(own, settings.temperature) for own in said])
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
