"""DS-FL on a device: softmax outputs, learnt by cross-entropy."""

from collections.abc import Mapping
from typing import ClassVar, final

from torch import Tensor, nn
from torch.nn import functional

from strategies.common.agreed import Need
from strategies.common.device import MessageDevice
from strategies.common.open_students import OpenDataClient, StudentState
from strategies.dsfl.global_model import SCORE, received
from strategies.dsfl.settings import DSFLSettings
from strategies.dsfl.wire import WIRE, Consensus, Predictions


@final
class DSFLClient(OpenDataClient[DSFLSettings, Consensus, Predictions]):
    """Distils the consensus on open data."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.MODELS})
    wire = WIRE

    @staticmethod
    def answers(logits: Tensor) -> Tensor:
        """Return distributions over the classes."""
        return logits.softmax(1)

    def others(
        self,
        device: MessageDevice,
        state: StudentState,
        downlink: Consensus | None,
    ) -> Mapping[str, nn.Module]:
        """Return the server's model where it came down."""
        if downlink is None or downlink.parameters is None:
            return {}
        name, seed = self.settings.server_model, device.settings.seed
        servers = received(downlink, self.provided.build_model(name, self.agreed.task, seed))
        return {} if servers is None else {SCORE: servers.to(device.torch_device)}

    def said(self, rows: Tensor) -> Predictions:
        """Return as much of the distributions as the settings let travel."""
        return Predictions.of(rows, self.agreed)

    @staticmethod
    def distance(logits: Tensor, told: Tensor) -> Tensor:
        """Return the cross-entropy to what was told, mean over the batch."""
        return functional.cross_entropy(logits, told)
