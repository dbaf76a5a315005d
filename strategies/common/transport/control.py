"""What server and devices tell each other beside a method's payloads.

An order goes down with every message; a description answers a ``query``, a report answers
``train`` and ``evaluate``. All are small, flat and read strictly on arrival. Every number has a
range, so that no sum over clients can leave what a journal can hold, and every text is cut and
cleaned before anyone sees it; ``ranges.py`` has both.
"""

from collections.abc import Mapping
from typing import Annotated, TypeVar, final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from strategies.common.architecture import Architecture
from strategies.common.errors import WireError
from strategies.common.foreign_text import seen
from strategies.common.inputs import KINDS, Inputs, from_sizes
from strategies.common.meaning import RANGE_KINDS, Dealt, Meaning, ValueRange
from strategies.common.names import digest
from strategies.common.transport import consistency
from strategies.common.transport.ranges import (
    MAX_CLASSES,
    MAX_CLIENTS,
    MAX_PARTITION,
    ClassName,
    Figure,
    Loss,
    ModelName,
    Name,
    Notes,
    Round,
    Samples,
    Seconds,
    Share,
)

Scalar = int | float | str | bytes | bool
Value = Scalar | list[int] | list[float] | list[str] | list[bytes] | list[bool]
AnyControl = TypeVar("AnyControl", bound="Control")

# Scores, losses and figures of the device that a method may report beside its payload.
MAX_SCORES = 16
MAX_LOSSES = 16
MAX_FIGURES = 16
# Of one input: pixels, steps, or words of a vocabulary.
MAX_SIZE = 1_000_000
# Beyond so many classes a report tells macro-F1 alone, so that it stays short.
MAX_TOLD_CLASSES = 1000
# Of a client's model: a gigabyte in single precision.
MAX_NUMBERS = 2**28
# Settings that a method may leave to the server.
MAX_RESOLVED = 32
# Settings that a program of one's own may give; there are about half as many.
MAX_GIVEN = 256
_PREFIXES = {
    "scores": "score.",
    "losses": "loss.",
    "figures": "figure.",
    "resolved": "setting.",
    "given": "given.",
}

_DIGEST = r"^([0-9a-f]{64})?$"


class Control(BaseModel):
    """Base: frozen, finite, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def to_values(self) -> dict[str, Value]:
        """Return the fields as a flat mapping: mappings with a prefix, and no defaults."""
        named = _PREFIXES.keys() & type(self).model_fields
        values = dict(self.model_dump(exclude=named, exclude_defaults=True))
        for field in sorted(named):
            values |= {_PREFIXES[field] + k: value for k, value in getattr(self, field).items()}
        return values

    def fault(self) -> str | None:
        """Return what is wrong with values that keep every field's range, or ``None``.

        The answer begins with the field, e.g. ``"correct: expected at most 3, got 4"``.
        """
        return None


@final
class Order(Control):
    """What a device is to do in one round.

    Attributes
    ----------
    run : str
        Run name, for the device's own folder.
    round_number : int
        Current round, from 1; 0 in a query.
    continue_from : int
        Last round that the server accepted from this client; 0 for none.
    resolved : dict[str, float | int | str]
        What the method's settings left at ``"auto"`` came to, by their names in the config;
        they travel as ``setting.<name>``.
    given : dict[str, float | int | str]
        Settings that the server has from its program and not from the run config, before which
        they count; they travel as ``given.<name>``.
    """

    run: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._=,+-]{0,99}$")
    round_number: Round
    continue_from: Round
    resolved: dict[str, bool | int | float | str] = Field(
        default_factory=dict, max_length=MAX_RESOLVED
    )
    given: dict[str, bool | int | float | str] = Field(default_factory=dict, max_length=MAX_GIVEN)


@final
class Description(Control):
    """What a device says of itself before its first round.

    Attributes
    ----------
    partition, num_partitions : int
        Which client of how many.
    model : str
        Name of the client's architecture.
    architecture, parameters, statistics, variances : str, int, int, int
        What its model holds, as of ``Architecture``, where what the method sends follows that.
    num_classes, feature_dim : int
        The client's view of the task.
    inputs, sizes : str, list[int]
        Kind and sizes of one input, as ``inputs.from_sizes`` reads them.
    foundation : str
        SHA-256 of the frozen model that it adapts; empty where it adapts none.
    rank : int
        Width of its adapters' bottlenecks; 0 where clients may differ.
    places : list[str]
        Where adapters are attached to it, as ``Place.to_word`` writes them.
    open_set, open_samples : str, int
        Digest and number of the open data that it holds; empty where there are none.
    class_names : list[str]
        Names of the classes, in label order; empty when the device keeps them to itself.
    class_digest : str
        Digest of the names, by which they are compared; empty where every client has its own.
    classes_counted : bool
        Whether the number of classes follows from the highest label on the device.
    values, lowest, highest : str, float, float
        Kind and range of the inputs, as of ``ValueRange``; empty where there is none.
    words : str
        Digest of whatever decides which token a word is; empty where that is not known.
    source, dealt : str, str
        Kind of the data source, and the digest of the rows that it deals to all; empty where
        the client has data of its own.
    train_samples, test_samples : int
        Sizes of the client's split.
    train_counts, test_counts : list[int]
        Own samples per class, without generated ones; empty when the device keeps them to itself.
        A node that carries several clients gives theirs one after another.
    clients : int
        Logical clients that the node carries.
    generated, generator : int, str
        Training samples among them that were generated, and SHA-256 of what they were generated
        with; 0 and empty where none were.
    notes : list[str]
        What a user should know of this client's data.
    figures : dict[str, float]
        What one client costs this device by name, where it was measured; they travel as
        ``figure.<name>``.
    """

    partition: int = Field(ge=0, le=MAX_PARTITION)
    num_partitions: int = Field(ge=1, le=MAX_PARTITION)
    model: ModelName
    architecture: str = Field(default="", pattern=_DIGEST)
    parameters: int = Field(default=0, ge=0, le=MAX_NUMBERS)
    statistics: int = Field(default=0, ge=0, le=MAX_NUMBERS)
    variances: int = Field(default=0, ge=0, le=MAX_NUMBERS)
    num_classes: int = Field(ge=1, le=MAX_CLASSES)
    inputs: str = Field(pattern=rf"^({'|'.join(KINDS)})$")
    sizes: list[Annotated[int, Field(ge=1, le=MAX_SIZE)]]
    feature_dim: int = Field(ge=1, le=1_000_000)
    foundation: str = Field(pattern=_DIGEST)
    rank: int = Field(ge=0, le=4096)
    places: list[Annotated[str, Field(pattern=r"^[0-9]{1,6}:[0-9]{1,6}:[ -~]{1,200}$")]] = Field(
        max_length=10_000
    )
    open_set: str = Field(default="", pattern=_DIGEST)
    open_samples: int = Field(default=0, ge=0, le=MAX_NUMBERS)
    class_names: list[ClassName] = Field(max_length=MAX_CLASSES)
    class_digest: str = Field(default="", pattern=_DIGEST)
    classes_counted: bool = False
    values: str = Field(default="", pattern=rf"^({'|'.join(RANGE_KINDS)})?$")
    lowest: Figure = 0.0
    highest: Figure = 0.0
    words: str = Field(default="", pattern=_DIGEST)
    source: str = Field(default="", pattern=r"^[ -~]{0,40}$")
    dealt: str = Field(default="", pattern=_DIGEST)
    train_samples: Samples
    test_samples: Samples
    train_counts: list[Samples]
    test_counts: list[Samples]
    clients: int = Field(ge=1, le=MAX_CLIENTS)
    generated: int = Field(default=0, ge=0, le=MAX_NUMBERS)
    generator: str = Field(default="", pattern=_DIGEST)
    notes: Notes
    figures: dict[Name, Figure] = Field(max_length=MAX_FIGURES)

    @field_validator("sizes")
    @classmethod
    def _fit_the_kind(cls, sizes: list[int], others: ValidationInfo) -> list[int]:
        from_sizes(others.data.get("inputs", ""), sizes)
        return sizes

    @field_validator("class_digest")
    @classmethod
    def _fit_the_names(cls, told: str, others: ValidationInfo) -> str:
        names = others.data.get("class_names")
        if told and names and told != digest(names):
            raise ValueError("expected the digest of class_names")
        return told

    @property
    def holds(self) -> Architecture:
        """What the client's model holds."""
        own = self.architecture, self.parameters, self.statistics
        return Architecture(*own, self.model, self.variances)

    @property
    def each_input(self) -> Inputs:
        """What one input of the client is."""
        return from_sizes(self.inputs, self.sizes)

    @property
    def meaning(self) -> Meaning:
        """What stands behind the shape of the client's task."""
        names = tuple(self.class_names)
        return Meaning(
            classes=self.class_digest or (digest(names) if names else ""),
            class_names=names,
            counted=self.classes_counted,
            values=ValueRange(self.values, self.lowest, self.highest) if self.values else None,
            dealt=Dealt(self.source, self.dealt, self.num_partitions) if self.dealt else None,
            words=self.words,
        )

    def fault(self) -> str | None:
        """Return which list is of another length, or adds up to something else."""
        return consistency.of_description(self)


@final
class Report(Control):
    """What a device says of a round beside its payload.

    Attributes
    ----------
    round_number : int
        Round that was trained or evaluated.
    continued_from : int
        Round whose state it started from.
    correct, test_samples : float, int
        Test samples classified correctly, of how many; 0 where nothing was tested. Where
        several answers are right, what the given ones are worth together.
    loss : float
        Mean test loss.
    class_samples, class_hits, class_predictions : list[int]
        Of each class, as ``ConfusionCounts`` has them; empty where there are no common classes,
        too many, or the device keeps its class counts to itself.
    validation_correct, validation_samples, validation_loss : float, int, float
        As of the test, on training samples that were held out; 0 where none were.
    macro_f1 : float | None
        The score that follows from them, where they do not travel and nothing forbids it.
    train_samples : int
        Training samples of this client.
    load_s, train_s, evaluate_s, save_s : float
        Seconds by phase.
    notes : list[str]
        What a user should know, e.g. that a damaged file was passed over.
    scores : dict[str, float]
        How other models of the client do on the same test samples, by name, in [0, 1]; they
        travel as ``score.<name>``.
    losses : dict[str, float]
        Mean training losses by name; they travel as ``loss.<name>``.
    figures : dict[str, float]
        What the round cost this device by name, e.g. its peak memory; they travel as
        ``figure.<name>``.
    """

    round_number: Annotated[Round, Field(ge=1)]
    continued_from: Round
    correct: float = Field(ge=0)
    test_samples: Samples
    loss: Loss
    validation_correct: float = Field(default=0, ge=0)
    validation_samples: Samples = 0
    validation_loss: Loss = 0
    class_samples: list[Samples] = Field(default=[], max_length=MAX_TOLD_CLASSES)
    class_hits: list[Samples] = Field(default=[], max_length=MAX_TOLD_CLASSES)
    class_predictions: list[Samples] = Field(default=[], max_length=MAX_TOLD_CLASSES)
    macro_f1: Share | None = None
    train_samples: Annotated[Samples, Field(ge=1)]
    load_s: Seconds
    train_s: Seconds
    evaluate_s: Seconds
    save_s: Seconds
    notes: Notes
    scores: dict[Name, Share] = Field(max_length=MAX_SCORES)
    losses: dict[Name, Loss] = Field(max_length=MAX_LOSSES)
    figures: dict[Name, Figure] = Field(max_length=MAX_FIGURES)

    def fault(self) -> str | None:
        """Return which number is more than another one allows, or which list is of no length."""
        return consistency.of_report(self)


def read_control(kind: type[AnyControl], values: Mapping[str, object], sender: str) -> AnyControl:
    """Read a flat mapping strictly.

    Parameters
    ----------
    kind : type
        What is expected.
    values : Mapping[str, object]
        What arrived.
    sender : str
        Who sent it, for error messages.

    Raises
    ------
    WireError
        Naming sender, record, field, expected and got.
    """
    fields = dict(values)
    for field in sorted(_PREFIXES.keys() & kind.model_fields):
        prefix = _PREFIXES[field]
        names = [name for name in fields if name.startswith(prefix)]
        named = {name.removeprefix(prefix): fields.pop(name) for name in names}
        fields.setdefault(field, named)
    try:
        read = kind.model_validate(fields)
    except ValidationError as error:
        problem = error.errors()[0]
        place = seen(".".join(str(part) for part in problem["loc"]))
        raise WireError(
            f"{sender}: {_name_of(kind)}.{place}: {seen(problem['msg'])}, got "
            f"{_repeated(problem['input'])}"
        ) from None
    if fault := read.fault():
        raise WireError(f"{sender}: {_name_of(kind)}.{fault}")
    return read


def _name_of(kind: type[Control]) -> str:
    return kind.__name__.lower()


def _repeated(value: object) -> str:
    return f"'{seen(value)}'" if isinstance(value, str) else seen(value)
