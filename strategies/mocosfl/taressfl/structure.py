"""What an expert and the run that uses it must have in common."""

from dataclasses import asdict, dataclass
from typing import final

from strategies.common.split.settings import SplitSettings
from strategies.common.task import Task


@final
@dataclass(frozen=True)
class Structure:
    """Everything that decides on the shapes of the network's tensors, and on what they mean.

    Attributes
    ----------
    network, width, cut, bottleneck, weight_standardisation, client_residual
        As in ``SplitSettings``.
    channels, image_height, image_width : int
        Shape of an image.
    projection_hidden : int
        Width of the head's hidden layer; 0 for none.
    projection_dim : int
        Width of queries and keys.
    """

    network: str
    width: int
    cut: int
    bottleneck: str
    weight_standardisation: bool
    client_residual: bool
    channels: int
    image_height: int
    image_width: int
    projection_hidden: int
    projection_dim: int

    def differences(self, other: "Structure") -> tuple[str, ...]:
        """Say where another structure is not this one, one line for each part."""
        got = asdict(other)
        return tuple(
            f"{name.replace('_', '-')}: expected {own!r}, got {got[name]!r}"
            for name, own in asdict(self).items()
            if own != got[name]
        )


def structure(split: SplitSettings, task: Task, hidden: int, dim: int) -> Structure:
    """Return the structure of a run.

    Parameters
    ----------
    split : SplitSettings
        The network and its cut.
    task : Task
        Shape of an image.
    hidden, dim : int
        Widths of the head's hidden layer, 0 for none, and of keys.
    """
    images = task.images
    return Structure(
        network=split.network,
        width=split.width,
        cut=split.cut,
        bottleneck=split.bottleneck,
        weight_standardisation=split.weight_standardisation,
        client_residual=split.client_residual,
        channels=images.channels,
        image_height=images.height,
        image_width=images.width,
        projection_hidden=hidden,
        projection_dim=dim,
    )
