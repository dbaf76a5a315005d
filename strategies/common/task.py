"""What all clients of a run must agree on: the task."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, final

from strategies.common.errors import ModelError
from strategies.common.inputs import Images, Inputs, from_sizes, sizes_of
from strategies.common.meaning import UNKNOWN, Meaning
from strategies.common.open_data import OpenSet


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
    inputs : Inputs
        What one input is: an image, a window of readings or a row of tokens.
    feature_dim : int
        Width of the clients' features (K' in FedKTL); 0 on the server when clients differ.
    foundation : Foundation | None
        What methods that train adapters adapt; ``None`` for all others.
    open_set : OpenSet | None
        The open data that all hold; ``None`` where there are none.
    meaning : Meaning
        What stands behind the shape, on the server; no part of equality, since what travels in a
        round follows from the shape alone.
    """

    num_classes: int
    inputs: Inputs
    feature_dim: int
    foundation: Foundation | None = None
    open_set: OpenSet | None = None
    meaning: Meaning = field(default=UNKNOWN, compare=False)

    @property
    def images(self) -> Images:
        """What one input is, for methods and networks that need pictures.

        Raises
        ------
        ModelError
            If it is none.
        """
        if not isinstance(self.inputs, Images):
            raise ModelError(
                f"task.images: expected images, got {self.inputs}; give the clients pictures, or "
                f"choose a method and models that read {self.inputs.kind}"
            )
        return self.inputs

    def to_values(self) -> dict[str, Any]:
        """Return plain values that :meth:`from_values` reads back, as JSON can hold them."""
        known = {} if self.meaning == UNKNOWN else {"meaning": self.meaning.to_values()}
        known |= {"open_set": asdict(self.open_set)} if self.open_set else {}
        return {
            "num_classes": self.num_classes,
            "inputs": {"kind": self.inputs.kind, "sizes": sizes_of(self.inputs)},
            "feature_dim": self.feature_dim,
            "foundation": asdict(self.foundation) if self.foundation else None,
            **known,
        }

    @staticmethod
    def from_values(values: Mapping[str, Any]) -> "Task":
        """Build a task from what :meth:`to_values` made of one.

        Raises
        ------
        KeyError, TypeError, ValueError
            If something is missing or unknown.
        """
        if "inputs" not in values:
            raise ValueError(f"expected inputs with kind and sizes, got {', '.join(values)}")
        found = values.get("foundation")
        places = tuple(Place(**place) for place in found["places"]) if found else ()
        foundation = Foundation(found["sha256"], found["rank"], places) if found else None
        inputs = from_sizes(**values["inputs"])
        meaning = Meaning.from_values(values.get("meaning", {}))
        open_set = OpenSet(**values["open_set"]) if values.get("open_set") else None
        built = {
            "inputs": inputs,
            "foundation": foundation,
            "open_set": open_set,
            "meaning": meaning,
        }
        return Task(**{**values, **built})
