"""DS-FL on a device: softmax outputs, learnt by cross-entropy."""

from typing import final

from torch import Tensor
from torch.nn import functional

from strategies.common.open_students import OpenDataClient
from strategies.dsfl.settings import DSFLSettings
from strategies.dsfl.wire import WIRE, Consensus, Predictions


@final
class DSFLClient(OpenDataClient[DSFLSettings, Consensus, Predictions]):
    """Distils the consensus on open data."""

    wire = WIRE

    @staticmethod
    def answers(logits: Tensor) -> Tensor:
        """Return distributions over the classes."""
        return logits.softmax(1)

    def said(self, rows: Tensor) -> Predictions:
        """Return as much of the distributions as the settings let travel."""
        return Predictions.of(rows, self.provided.agreed)

    @staticmethod
    def distance(logits: Tensor, told: Tensor) -> Tensor:
        """Return the cross-entropy to what was told, mean over the batch."""
        return functional.cross_entropy(logits, told)
