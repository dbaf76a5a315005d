"""What all clients of a run must agree on: the task."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from strategies.common.inputs import Images


@final
@dataclass(frozen=True)
class Place:
    """A module of a foundation model to which an adapter is attached.

    Attributes
    ----------
    name : str
        Where it stands in the network.
    inputs, outputs : int
        Widths of what goes in and comes out.
    """

    name: str
    inputs: int
    outputs: int

    def to_word(self) -> str:
        """Return ``"<inputs>:<outputs>:<name>"``."""
        return f"{self.inputs}:{self.outputs}:{self.name}"

    @staticmethod
    def from_word(word: str) -> "Place":
        """Read what :meth:`to_word` wrote.

        Raises
        ------
        ValueError
            If it is something else.
        """
        inputs, outputs, name = word.split(":", 2)
        return Place(name, int(inputs), int(outputs))


@final
@dataclass(frozen=True)
class Foundation:
    """The frozen model that all clients hold, as far as the server must know it.

    Attributes
    ----------
    sha256 : str
        Hexadecimal digest of its configuration, words and weights.
    rank : int
        Width of every adapter's bottleneck; 0 where clients differ.
    places : tuple[Place, ...]
        Where the method's adapters are attached, in order.
    """

    sha256: str
    rank: int
    places: tuple[Place, ...]


@final
@dataclass(frozen=True)
class Task:
    """Shape of the learning task, read from the data and never assumed.

    Attributes
    ----------
    num_classes : int
        Number of classes, C in the papers; 0 on the server where every client has its own.
    channels, height, width : int
        Shape of one input; pixels for images.
    feature_dim : int
        Width of the clients' features (K' in FedKTL); 0 on the server when clients differ.
    foundation : Foundation | None
        What methods that train adapters adapt; ``None`` for all others.
    """

    num_classes: int
    channels: int
    height: int
    width: int
    feature_dim: int
    foundation: Foundation | None = None

    @property
    def inputs(self) -> Images:
        """What one input is."""
        return Images(self.channels, self.height, self.width)

    @staticmethod
    def from_values(values: Mapping[str, Any]) -> "Task":
        """Build a task from what ``dataclasses.asdict`` made of one.

        Raises
        ------
        KeyError, TypeError
            If something is missing or unknown.
        """
        found = values.get("foundation")
        places = tuple(Place(**place) for place in found["places"]) if found else ()
        foundation = Foundation(found["sha256"], found["rank"], places) if found else None
        return Task(**{**values, "foundation": foundation})
