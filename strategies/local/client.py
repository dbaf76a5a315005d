"""The device half of Local: cross-entropy on the client's own samples."""

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor
from torch.nn import functional

from strategies.common.device import Device
from strategies.common.method import ClientHalf, Evaluation, Trained
from strategies.common.model import FeatureModel
from strategies.common.training import evaluate_scores, train_epochs
from strategies.common.wire import Payload
from strategies.local.settings import LocalSettings


@final
@dataclass
class LocalState:
    """What stays on the device.

    Attributes
    ----------
    model : FeatureModel
        The client's own model.
    """

    model: FeatureModel


@final
class LocalClient(ClientHalf[LocalState, Payload, Payload]):
    """Learns alone.

    Parameters
    ----------
    _settings : LocalSettings
        Holds nothing; taken because every method's client half is built from its settings.
    """

    downlink: ClassVar[type[Payload] | None] = None

    def __init__(self, _settings: LocalSettings) -> None:
        pass

    def start(self, device: Device) -> LocalState:
        """Return a fresh model."""
        return LocalState(device.build_model())

    def train(
        self,
        device: Device,
        state: LocalState,
        downlink: Payload | None,  # noqa: ARG002
    ) -> Trained[Payload]:
        """Run the local epochs; the uplink is always ``None``."""
        model = state.model

        def losses(inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
            return {"total": functional.cross_entropy(model(inputs), labels)}

        return Trained(None, train_epochs(device, [[model]], losses))

    def evaluate(
        self,
        device: Device,
        state: LocalState,
        downlink: Payload | None,  # noqa: ARG002
    ) -> Evaluation:
        """Classify the test samples by the model's own head."""
        return evaluate_scores(device, state.model, state.model)
