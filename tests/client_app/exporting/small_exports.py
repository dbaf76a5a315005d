"""Small models as an export has them, and the card that describes one."""

import torch
from torch import nn

from client_app.exporting import card
from client_app.exporting.card import Architecture, Measured, ModelCard
from models import catalogue
from strategies.common.classifiers import MEANINGS, kind_of
from strategies.common.inputs import Columns, Images, Inputs, Tokens, Windows
from strategies.common.model import FeatureModel
from strategies.common.run_config import default_config, read_table
from strategies.common.split.settings import SplitSettings
from strategies.common.task import Task

# As large as the others are small: one case of each family is enough for make test.
LARGE = ("resnet34", "resnet50", "vit_b_16", "vit_b_32")
SENSOR = tuple(name for name, (_, reads) in catalogue.MODELS.items() if reads.kind is Windows)
_READ: dict[type, Inputs] = {
    Images: Images(1, 8, 8),
    Windows: Windows(2, 64),
    Tokens: Tokens(9, 40),
    Columns: Columns(6),
}
TASK = Task(3, Images(1, 8, 8), 0)


def split() -> SplitSettings:
    """Return a small network that is cut behind its stem."""
    return read_table({**default_config(), "split.width": 4}, "split", SplitSettings)


def inputs_of(name: str) -> Inputs:
    """Return small inputs that a model reads."""
    return _READ[catalogue.MODELS[name][1].kind]


def trained(name: str, inputs: Inputs, feature_dim: int = 16) -> FeatureModel:
    """Return a model whose every number was moved, its running averages too."""
    model = catalogue.build(name, Task(3, inputs, 0), feature_dim, seed=1)
    noise = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for value in model.state_dict().values():
            if value.is_floating_point():
                value.add_(0.01 * torch.rand(value.shape, generator=noise))
    return model


def described(
    name: str, inputs: Inputs, network: nn.Module, dim: int = 16, place: str = ""
) -> ModelCard:
    kind = kind_of(network)  # type: ignore[arg-type]
    return ModelCard(
        made_by=card.MADE_BY,
        version="0",
        format=card.FORMAT,
        method="local",
        run="test",
        client=0,
        round=1,
        architecture=Architecture(name, place or name, bool(place), dim, {}),
        classifier=kind,
        classified_by=MEANINGS[kind],
        outputs=card.SCORES,
        classes=("a", "b", "c"),
        inputs={"kind": inputs.kind, "sizes": dict(vars(inputs))},
        image_size=0,
        normalisation=card.normalisation_of(inputs),
        measured=Measured(None, 0, ""),
        files={},
        notes=(),
    )
