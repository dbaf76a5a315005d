"""DS-FL on a device: softmax outputs, learnt by cross-entropy."""

from dataclasses import replace
from typing import ClassVar, final

from torch import Tensor
from torch.nn import functional

from strategies.common.agreed import Need
from strategies.common.device import MessageDevice
from strategies.common.open_students import OpenDataClient, StudentState
from strategies.common.round import Evaluation
from strategies.common.training import evaluate_scores
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

    def evaluate(
        self, device: MessageDevice, state: StudentState, downlink: Consensus | None
    ) -> Evaluation:
        """Test the client's model, and the server's where it came down."""
        own = super().evaluate(device, state, downlink)
        if downlink is None or downlink.parameters is None:
            return own
        name, seed = self.settings.server_model, device.settings.seed
        like = self.provided.build_model(name, self.agreed.task, seed)
        servers = received(downlink, like)
        if servers is None:
            return own
        servers.to(device.torch_device)
        correct = evaluate_scores(device, servers, servers).correct
        return replace(own, scores={**own.scores, SCORE: correct / len(device.test)})

    def said(self, rows: Tensor) -> Predictions:
        """Return as much of the distributions as the settings let travel."""
        return Predictions.of(rows, self.agreed)

    @staticmethod
    def distance(logits: Tensor, told: Tensor) -> Tensor:
        """Return the cross-entropy to what was told, mean over the batch."""
        return functional.cross_entropy(logits, told)
