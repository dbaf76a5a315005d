"""``model.json``: what an exported model is, for people and for whoever reads it back."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Annotated, Any, Final, final

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from strategies.common.errors import StoreError
from strategies.common.inputs import Inputs, Windows, from_sizes
from strategies.common.settings import LARGEST_IMAGE, LONGEST_WINDOW
from strategies.common.split.settings import SplitSettings
from strategies.common.task import Task
from strategies.common.transport.control import MAX_SIZE
from strategies.common.transport.ranges import MAX_INPUT, MAX_PARTITION, MAX_ROUND

CARD: Final = "model.json"
WEIGHTS: Final = "model.safetensors"
# Raised whenever the meaning of a key changes.
FORMAT: Final = 1
MADE_BY: Final = "Nectar"
SCORES, FEATURES = "scores", "features"
_IMAGES: Final = "uint8 pixels p become p / 127.5 - 1; floats stay as they are"
_AS_THEY_ARE: Final = "none: inputs as the data have them"
_BY_CHANNEL: Final = (
    "none: inputs as the data have them; the network takes each channel's mean away and divides by "
    "its deviation, of the windows that the client first learnt from"
)


@final
@dataclass(frozen=True)
class Architecture:
    """What builds the network.

    Attributes
    ----------
    name : str
        As the settings ``models`` or the journal name it.
    built_by : str
        Module and function; of a user's own model ``file.py:Class`` or ``module:Class``.
    own : bool
        Whether it is a user's own, which must be there to be read back.
    feature_dim : int
        Width of its features.
    split : Mapping[str, Any]
        The table ``split`` of a network that was split and is joined again; empty for others.
    beside : str
        Model of the zoo that stands beside it where two classify together; else empty.
    """

    name: str
    built_by: str
    own: bool
    feature_dim: Annotated[int, Field(ge=0, le=MAX_SIZE)]
    split: Mapping[str, Any]
    beside: str = ""


@final
@dataclass(frozen=True)
class Measured:
    """How the model did.

    Attributes
    ----------
    accuracy : float | None
        On the client's own test samples; ``None`` where it is not known.
    test_samples : int
        How many; 0 where that is not known.
    said_by : str
        Where the number comes from.
    """

    accuracy: float | None
    test_samples: int
    said_by: str


@final
@dataclass(frozen=True)
class ModelCard:
    """All that stands in the file.

    Attributes
    ----------
    made_by, version : str
        Nectar, and its version.
    format : int
        Of this file.
    method, run : str
        Of the run that trained it.
    client, round : int
        Which client, after which round.
    architecture : Architecture
        What builds the network.
    classifier, classified_by : str
        By what a class is picked, as a word and in words; empty where the outputs are features.
    outputs : str
        ``"scores"``, one for each class, of which the highest is chosen; or ``"features"``.
    classes : tuple[str, ...]
        Names in the order of the scores, or numbers where names are not known.
    inputs : Mapping[str, Any]
        Kind and sizes of one input, as :func:`strategies.common.inputs.from_sizes` reads them.
    words : str
        Digest of whatever numbered the words of texts; empty where inputs are no texts.
    image_size : int
        Side to which images were resized; 0 where they were of the inputs' size already.
    normalisation : str
        How what was read becomes what the network reads.
    measured : Measured
        How it did.
    files : Mapping[str, str]
        SHA-256 of each file beside this one, by name.
    notes : tuple[str, ...]
        What else to know.
    window_length : int
        Steps to which windows were resampled; 0 where they were of the inputs' length already.
    normalises : bool
        Whether the network reads windows as they are, and normalises their channels itself.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    made_by: str
    version: str
    format: int
    method: str
    run: str
    client: Annotated[int, Field(ge=0, le=MAX_PARTITION)]
    round: Annotated[int, Field(ge=0, le=MAX_ROUND)]
    architecture: Architecture
    classifier: str
    classified_by: str
    outputs: str
    classes: tuple[str, ...]
    inputs: Mapping[str, Any]
    image_size: Annotated[int, Field(ge=0, le=LARGEST_IMAGE)]
    normalisation: str
    measured: Measured
    files: Mapping[str, str]
    notes: tuple[str, ...]
    words: str = ""
    window_length: Annotated[int, Field(ge=0, le=LONGEST_WINDOW)] = 0
    normalises: bool = False

    @property
    def task(self) -> Task:
        """What the model was made for."""
        return Task(len(self.classes), self.what, self.architecture.feature_dim)

    @property
    def what(self) -> Inputs:
        """What one input is."""
        return from_sizes(self.inputs["kind"], tuple(self.inputs["sizes"].values()))

    @property
    def split(self) -> SplitSettings | None:
        """Settings of a network that was split; ``None`` for a client's own model."""
        table = self.architecture.split
        return SplitSettings.model_validate(table) if table else None

    def to_text(self) -> str:
        """Return the file."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"


_CARDS: Final = TypeAdapter(ModelCard)


def normalisation_of(inputs: Inputs, *, normalises: bool = False) -> str:
    """Say what ``prepare`` does to inputs of a kind, and the network where it does more."""
    if normalises:
        return _BY_CHANNEL
    return _IMAGES if inputs.kind == "images" else _AS_THEY_ARE


def is_export(folder: Path) -> bool:
    """Tell whether a folder holds an exported model and nothing else."""
    try:
        card = read(folder)
        found = {path.name for path in folder.iterdir()}
    except (OSError, StoreError):
        return False
    return found <= {CARD, *card.files}


def read(folder: Path) -> ModelCard:
    """Read the card of an exported model.

    Raises
    ------
    StoreError
        If there is none, or it cannot be read.
    """
    path = folder / CARD
    try:
        values = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise StoreError(
            f"{folder}: expected an exported model with a file {CARD}, found none; write one with "
            f"python -m client_app.export"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(f"{path}: cannot be read ({error}); export the model again") from None
    told = values.get("format") if isinstance(values, dict) else None
    if told != FORMAT:
        raise StoreError(
            f"{path}: expected format {FORMAT}, got {told!r}; read it with the version of Nectar "
            f"that wrote it, or export the model again"
        )
    try:
        card = _CARDS.validate_python(values)
        _ = card.split
        if card.normalises and not isinstance(card.what, Windows):
            raise ValueError(f"normalises: expected false for {card.what}, got true")
        if not 0 < prod(card.what.shape) <= MAX_INPUT or min(card.what.shape) < 1:
            raise ValueError(f"inputs: expected 1 to {MAX_INPUT} values in one, got {card.what}")
    except (ValidationError, ValueError, KeyError, AttributeError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise StoreError(
            f"{path}: expected a whole card, got: {reason}; export the model again"
        ) from None
    return card
