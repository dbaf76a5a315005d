"""FedMD on the server: the clients' mean logits."""

from collections.abc import Mapping, Sequence
from typing import Final, final

from torch import Tensor

from strategies.common.averaging import average
from strategies.common.open_consensus import ConsensusServer
from strategies.common.open_server_model import presented
from strategies.common.presentation import Measured, Presentation, Setting
from strategies.common.round import Aggregated
from strategies.fedmd.settings import FedMDSettings
from strategies.fedmd.wire import WIRE, Consensus, Logits

_DISTANCE: Final = Measured(
    "Mean absolute difference of a client's logits from the consensus",
    {"disagreement": "disagreement"},
    "Good: falling; logits that grow while clients learn may raise it all the same.",
)
_TRANSFER: Final = Measured(
    "Cross-entropy with the public labels, before a client's first turn (nats)",
    {"transfer": "mean over its passes"},
    "Good: far below the logarithm of the number of classes.",
)


@final
class FedMDServer(ConsensusServer[FedMDSettings, Consensus, Logits]):
    """Averages logits."""

    wire = WIRE

    @classmethod
    def presentation(cls, settings: Mapping[str, Setting]) -> Presentation:
        """State what is measured of the consensus."""
        return presented(Presentation(measured=(_DISTANCE,), losses=(_TRANSFER,)), settings)

    def together(self, said: Sequence[Tensor], samples: Sequence[int]) -> tuple[Tensor, Aggregated]:
        """Average all logits, alike or by training samples; tell how far clients are from that."""
        consensus = average(said, samples if self.settings.weights == "samples" else None)
        apart = [float((own - consensus).abs().mean()) for own in said]
        return consensus, Aggregated({"disagreement": sum(apart) / len(apart)})
