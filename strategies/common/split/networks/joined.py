"""Both parts of a split network as one, for whoever takes it away when the run is over."""

from collections.abc import Mapping
from typing import Final, final

from torch import Tensor, nn

from strategies.common.errors import StoreError
from strategies.common.split.networks.of_run import whole_network
from strategies.common.split.networks.stacked import StackedModels
from strategies.common.split.settings import SplitSettings
from strategies.common.task import Task

# Which seed the weights come from does not matter: all are replaced.
_ANY_SEED: Final = 0


@final
class JoinedNetwork(nn.Module):
    """From prepared images to scores, or to features where no head classifies them.

    Parameters
    ----------
    front : nn.Module
        The clients' part.
    back : nn.Module
        The server's part, up to pooled features.
    head : nn.Module | None
        From features to scores; ``None`` where the method has learnt none.
    """

    def __init__(self, front: nn.Module, back: nn.Module, head: nn.Module | None) -> None:
        super().__init__()
        self.front = front
        self.back = back
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        """Return scores (batch, class), or features (batch, feature) without a head."""
        features: Tensor = self.back(self.front(images))
        if self.head is None:
            return features
        scores: Tensor = self.head(features)
        return scores


def build(split: SplitSettings, task: Task, *, classifies: bool) -> JoinedNetwork:
    """Build a whole network whose weights are yet to be loaded.

    Raises
    ------
    SettingsError
        If the network cannot be built or cut so.
    """
    network = whole_network(split, task, _ANY_SEED)
    head = nn.Linear(network.feature_dim, task.num_classes) if classifies else None
    return JoinedNetwork(network.front, network.back, head)


def load(network: JoinedNetwork, front: Tensor, back: Mapping[str, Tensor]) -> JoinedNetwork:
    """Put a server's weights into a network, and return it.

    Parameters
    ----------
    network : JoinedNetwork
        As :func:`build` made it.
    front : Tensor
        (parameters,) the synchronised client model.
    back : Mapping[str, Tensor]
        By the names of the network's own, ``back.`` and ``head.``.

    Raises
    ------
    StoreError
        If they are of another network.
    """
    models = StackedModels(network.front, batched=False)
    wanted = {name for name in network.state_dict() if not name.startswith("front.")}
    if front.shape != (models.num_parameters,) or back.keys() != wanted:
        raise StoreError(
            f"checkpoint: expected a client model of {models.num_parameters} parameters and "
            f"{len(wanted)} tensors behind it, got {tuple(front.shape)} and {len(back)}; it is of "
            f"a run with another network"
        )
    models.load(front, network.front)
    try:
        network.load_state_dict(dict(back), strict=False)
    except RuntimeError as error:
        told = " ".join(str(error).split())
        raise StoreError(f"checkpoint: of a run with another network: {told}") from None
    return network


def renamed(tensors: Mapping[str, Tensor], names: Mapping[str, str]) -> dict[str, Tensor]:
    """Return the tensors of some prefixes under others, and none of the rest.

    Examples
    --------
    >>> state = {"back/1.bias": Tensor(), "step": Tensor()}
    >>> list(renamed(state, {"back/1.": "head."}))
    ['head.bias']
    """
    found = {}
    for name, tensor in tensors.items():
        for old, new in names.items():
            if name.startswith(old):
                found[new + name.removeprefix(old)] = tensor
    return found
