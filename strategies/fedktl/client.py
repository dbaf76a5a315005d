"""The device half of FedKTL: learn towards fixed class directions and the server's vectors."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from torch import Tensor, nn
from torch.nn import functional

from strategies.common import seeds
from strategies.common.classifiers import Classifier, DirectionClassifier
from strategies.common.device import MessageDevice
from strategies.common.message import LocalTraining, MessageClient
from strategies.common.projection import ProjectedState, own_projection
from strategies.common.samples import prepare, shuffled_batches
from strategies.common.training import score_batches
from strategies.fedktl.arcface import arcface_loss
from strategies.fedktl.etf import simplex_etf
from strategies.fedktl.prototypes import class_prototypes
from strategies.fedktl.settings import FedKTLSettings
from strategies.fedktl.wire import WIRE, ImageVectorPairs, Prototypes

_MAX_NORM = 100.0


@final
@dataclass
class FedKTLState(ProjectedState):
    """What stays on the device; the model's own head is not used.

    The projection maps features to the space of the class directions (h).

    Attributes
    ----------
    transfer_weight, transfer_bias : Tensor | None
        (latent, feature) and (latent,) of the transfer head (h'), where it outlives a
        round and one has been trained.
    """

    transfer_weight: Tensor | None
    transfer_bias: Tensor | None


@final
class FedKTLClient(MessageClient[FedKTLSettings, FedKTLState, ImageVectorPairs, Prototypes]):
    """Classifies by class directions that all clients share."""

    wire = WIRE

    def start(self, device: MessageDevice) -> FedKTLState:
        """Return a fresh model and projection."""
        model = device.build_model()
        projection = own_projection(device, model.feature_dim, device.task.num_classes)
        return FedKTLState(model, projection, None, None)

    def local_training(
        self, device: MessageDevice, state: FedKTLState, downlink: ImageVectorPairs | None
    ) -> LocalTraining[Prototypes]:
        """Learn class directions and, where pairs came, the vectors; then take prototypes.

        Without pairs (the first round) the loss is the classification loss alone.
        """
        settings, directions = self.settings, _directions(device)
        groups: list[list[nn.Module]] = [[state.model.body, state.projection]]
        transfer: _Transfer | None = None
        if downlink is not None and len(downlink.labels):
            transfer = _Transfer(device, state, downlink, settings)
            groups.append([transfer.head])

        def losses(inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
            arcface = arcface_loss(
                _projected(state, inputs) @ directions.T,
                labels,
                margin=settings.margin,
                scale=settings.scale,
                monotone=settings.monotone_margin,
            )
            if transfer is None:
                return {"total": arcface, "arcface": arcface}
            distance = transfer.loss()
            total = arcface + settings.chosen_transfer_weight * distance
            return {"total": total, "arcface": arcface, "transfer": distance}

        def uplink() -> Prototypes:
            if transfer is not None and not settings.reset_transfer_head:
                state.transfer_weight = transfer.head.weight.detach()
                state.transfer_bias = transfer.head.bias.detach()
            return _prototypes(device, state)

        return LocalTraining(losses, uplink, groups, _MAX_NORM)

    def classifier(
        self, device: MessageDevice, state: FedKTLState, downlink: ImageVectorPairs | None
    ) -> Classifier:
        """Pick the nearest class direction, over all classes.

        The scores are the scaled cosines, without margin; so is the loss of a test.
        """
        directions = self.settings.scale * _directions(device)
        return DirectionClassifier(state.model, state.projection, directions)


@final
class _Transfer:
    """The transfer loss of one round (L_M): pairs in batches, without end, and their head."""

    def __init__(
        self,
        device: MessageDevice,
        state: FedKTLState,
        pairs: ImageVectorPairs,
        settings: FedKTLSettings,
    ) -> None:
        self.head = _transfer_head(device, state, pairs.vectors.shape[1])
        self._model = state.model
        self._freeze = settings.freeze_batch_norm
        kinds = (nn.BatchNorm1d, nn.BatchNorm2d)
        self._norms = [m for m in state.model.body.modules() if isinstance(m, kinds)]
        self._batches = _batches(device, pairs)
        self._shape = device.task.inputs.shape

    def loss(self) -> Tensor:
        """Return the mean squared error of the next batch, over images and components.

        Only the feature extractor and the transfer head take part: neither the projection
        nor the class directions see a generated image, which is why it need not resemble
        its class.
        """
        images, vectors = next(self._batches)
        # A single image has no batch to be normalised by.
        frozen = self._norms if self._freeze or len(images) == 1 else []
        for norm in frozen:
            norm.eval()
        predicted = self.head(self._model.features(prepare(images).reshape(-1, *self._shape)))
        for norm in frozen:
            norm.train()
        return functional.mse_loss(predicted, vectors)


def _transfer_head(device: MessageDevice, state: FedKTLState, latent_dim: int) -> nn.Linear:
    """Build h' as the client left it, or as every client of the run starts it."""
    features = state.model.feature_dim
    with seeds.seeded(seeds.derive(device.settings.seed, "transfer-head")):
        head = nn.Linear(features, latent_dim).to(device.torch_device)
    weight, bias = state.transfer_weight, state.transfer_bias
    if weight is not None and bias is not None and weight.shape == head.weight.shape:
        head.load_state_dict({"weight": weight, "bias": bias})
    return head


def _batches(device: MessageDevice, pairs: ImageVectorPairs) -> Iterator[tuple[Tensor, Tensor]]:
    images = pairs.images.to(device.torch_device)
    vectors = pairs.vectors.to(device.torch_device)
    order = device.generator("pairs")
    while True:
        for index in shuffled_batches(len(images), device.settings.batch_size, order):
            yield images[index], vectors[index]


def _directions(device: MessageDevice) -> Tensor:
    directions = simplex_etf(device.task.num_classes, device.settings.seed)
    return directions.to(device.torch_device)


def _projected(state: FedKTLState, inputs: Tensor) -> Tensor:
    """Project inputs to unit length: (batch, class)."""
    return functional.normalize(state.projection(state.model.features(inputs)))


def _prototypes(device: MessageDevice, state: FedKTLState) -> Prototypes:
    """Average the projections of all training samples by class, in evaluation mode."""
    batches = score_batches(
        device, device.train, state.model, lambda inputs: _projected(state, inputs)
    )
    return Prototypes(*class_prototypes(batches, device.task.num_classes))
