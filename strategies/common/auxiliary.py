"""Methods whose clients all have a second, small model alike beside their own, which travels."""

from typing import Any, ClassVar, Generic, Literal, TypeVar

from strategies.common.agreed import Need
from strategies.common.averaged import AveragingServer
from strategies.common.device import MessageDevice
from strategies.common.message import AnyModelState, MessageClient
from strategies.common.model import FeatureModel
from strategies.common.payloads import AuxiliaryModel
from strategies.common.round import Reply
from strategies.common.settings import NamedModel, RunSettings, Settings


class AuxiliarySettings(Settings):
    """Which model that is, and how much a client's weighs.

    Attributes
    ----------
    model : str
        One of ``models`` or of the zoo; empty takes the first of ``models``.
    aggregation : str
        Such models weigh alike (``"uniform"``), or by training ``"samples"``.
    """

    model: str
    aggregation: Literal["uniform", "samples"]

    @property
    def width(self) -> int | None:
        """Width of its features; ``None`` for that of the run."""
        return None

    def named_model(self, run: RunSettings) -> NamedModel:
        """Return the model that all have alike."""
        first = run.models.partition(",")[0].strip()
        return NamedModel(f"{run.method}.model", self.model or first, self.width)

    def weight(self, reply: Reply[Any]) -> float:
        """Return how much a client weighs."""
        return 1.0 if self.aggregation == "uniform" else float(reply.samples)


OwnSettings = TypeVar("OwnSettings", bound=AuxiliarySettings)
Sent = TypeVar("Sent", bound=AuxiliaryModel)


class AuxiliaryServer(AveragingServer[OwnSettings, Sent], Generic[OwnSettings, Sent]):
    """Averages these models."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.MODELS})

    def weight(self, reply: Reply[Sent]) -> float:
        """Weigh clients as the settings say."""
        return self.settings.weight(reply)


class AuxiliaryClient(
    MessageClient[OwnSettings, AnyModelState, Sent, Sent], Generic[OwnSettings, AnyModelState, Sent]
):
    """Trains such a model beside its own, and sends it."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.MODELS})

    def auxiliary(self, device: MessageDevice, downlink: Sent | None) -> FeatureModel:
        """Return the model as it came down, or as all begin with it."""
        model = self.provided.build_beside(to_be_loaded=downlink is not None)
        if downlink is not None:
            downlink.into(model)
        return model.to(device.torch_device)
