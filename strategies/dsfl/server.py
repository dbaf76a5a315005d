"""DS-FL on the server: one distribution for each open sample, made surer."""

from collections.abc import Mapping, Sequence
from typing import Final, final

from torch import Tensor

from strategies.common.averaging import average
from strategies.common.entropy import entropy, powered, sharpened
from strategies.common.open_consensus import ConsensusServer
from strategies.common.open_server_model import presented
from strategies.common.presentation import Measured, Presentation, Setting
from strategies.common.round import Aggregated
from strategies.dsfl.settings import DSFLSettings
from strategies.dsfl.wire import WIRE, Consensus, Predictions

_ENTROPY: Final = Measured(
    "Entropy of what clients say of open samples (nats)",
    {"entropy_of_mean": "of their mean", "entropy": "of what is sent to them"},
    "Good: falling, and lower as sent; the logarithm of the number of classes is guessing.",
)
_SURER: Final = Measured(
    "Open samples of which what is sent is surer than the mean",
    {"surer": "became surer"},
    "Good: near 1; a temperature that is too high for the classes makes them unsure.",
    share=True,
)
_VARIANTS: Final = {"mean": "simple aggregation", "power": "enhanced ERA"}


@final
class DSFLServer(ConsensusServer[DSFLSettings, Consensus, Predictions]):
    """Aggregates with entropy reduction."""

    wire = WIRE

    @classmethod
    def presentation(cls, settings: Mapping[str, Setting]) -> Presentation:
        """State how answers become one, and what is measured of it."""
        variant = _VARIANTS.get(str(settings.get("aggregation")), "")
        return presented(Presentation(variant=variant, measured=(_ENTROPY, _SURER)), settings)

    def together(self, said: Sequence[Tensor], samples: Sequence[int]) -> tuple[Tensor, Aggregated]:
        """Average all answers alike, make them surer, and tell entropies before and after."""
        mean, own, notes = average(said), self.settings, list[str]()
        if own.aggregation == "mean":
            sent = mean
        elif own.aggregation == "power":
            sent = powered(mean, own.power)
        else:
            own_first = own.aggregation == "era_per_client"
            sharp = [sharpened(one, own.temperature) for one in (said if own_first else [mean])]
            sent, even = average(sharp), 1 / mean.shape[1]
            if own.temperature > even:
                notes.append(
                    f"dsfl.temperature={own.temperature:g} is above one over the {mean.shape[1]} "
                    f"classes, {even:.3g}: ERA makes outputs that are nearly even less sure; lower "
                    f"it, or set dsfl.aggregation=power"
                )
        before, after = entropy(mean), entropy(sent)
        numbers = {"entropy_of_mean": float(before.mean()), "entropy": float(after.mean())}
        surer = float((after <= before).float().mean())
        return sent, Aggregated({**numbers, "surer": surer}, tuple(notes))
