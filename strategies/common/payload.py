"""Payloads: frozen dataclasses of tensors, whose sizes follow from what both sides know.

A payload names its schema and version, and gives every field a kind, named axes and, where
it has one, a range. Whoever receives one knows the exact length of most axes and a bound for
the others before a byte arrives.

Examples
--------
>>> from torch import Tensor
>>> @payload("example.means", version=1)
... class Means(Payload):
...     means: Tensor = tensor("float", "present", "feature")
...     labels: Tensor = labels("present")
...
...     @classmethod
...     def sizes(cls, agreed: Agreed) -> Sizes:
...         return Sizes({"feature": agreed.task.feature_dim}, {"present": 10})
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, Self, TypeVar, dataclass_transform, final

from strategies.common.agreed import Agreed
from strategies.common.errors import WireError

Kind = Literal["float", "int64", "uint8", "bool"]
# What a number stands for, for guards: a change of weights may be clipped, a label may not.
Meaning = Literal["", "weights", "update", "statistics"]


@final
@dataclass(frozen=True)
class Sizes:
    """What a receiver knows of a payload's axes before it arrives.

    Attributes
    ----------
    exact : Mapping[str, int]
        Axes that must have one length.
    at_most : Mapping[str, int]
        Axes that may have any length from 0 to a bound.
    absent : frozenset[str]
        Optional fields that must not travel; all others must.
    """

    exact: Mapping[str, int] = field(default_factory=dict)
    at_most: Mapping[str, int] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()

    def bound(self, axis: str) -> int:
        """Return the longest that an axis may be."""
        return self.exact[axis] if axis in self.exact else self.at_most[axis]


@final
@dataclass(frozen=True)
class Rule:
    """What one field must be.

    Attributes
    ----------
    kind : str
        ``"float"`` travels as the run's ``wire-dtype`` and arrives as float32.
    axes : tuple[str, ...]
        Names of the axes; the same name has the same length in all fields.
    low, high : float | None
        Range of its values, both ends included.
    is_label : bool
        Whether values are classes of the task.
    counts_samples : bool
        Whether values are training samples, together at most those of the client.
    unique : bool
        Whether each value may occur once only.
    optional : bool
        Whether it may be absent, as :class:`Sizes` says.
    travels_with : tuple[str, object] | None
        Setting of the method, and its value without which the field is absent.
    means : str
        What its numbers stand for.
    """

    kind: Kind
    axes: tuple[str, ...]
    low: float | None = None
    high: float | None = None
    is_label: bool = False
    counts_samples: bool = False
    unique: bool = False
    optional: bool = False
    travels_with: tuple[str, object] | None = None
    means: Meaning = ""


def tensor(
    kind: Kind,
    *axes: str,
    low: float | None = None,
    high: float | None = None,
    optional: bool = False,
    means: Meaning = "",
) -> Any:
    """Declare a payload field; see :class:`Rule`."""
    rule = Rule(kind, axes, low=low, high=high, optional=optional, means=means)
    return field(metadata={"rule": rule})


def labels(axis: str, *, unique: bool = True) -> Any:
    """Declare an int64 field of class labels along one axis, each class at most once."""
    return field(metadata={"rule": Rule("int64", (axis,), is_label=True, unique=unique)})


def sample_counts(axis: str, *, travels_with: tuple[str, object] | None = None) -> Any:
    """Declare an int64 field of training samples along one axis, at least 1 each.

    Along an axis that labels share they are counts by class, which a client may want to keep.
    """
    rule = Rule(
        "int64",
        (axis,),
        low=1,
        counts_samples=True,
        optional=travels_with is not None,
        travels_with=travels_with,
    )
    return field(metadata={"rule": rule})


@dataclass(frozen=True)
class Payload(ABC):
    """Base of all payloads; subclasses are frozen and declare tensors only."""

    schema: ClassVar[str]
    version: ClassVar[int]
    # Whether lengths follow from the model of the client that it goes to or comes from.
    follows_model: ClassVar[bool] = False
    # Not where form alone bounds every value: a sure distribution is larger than an even one.
    compared: ClassVar[bool] = True

    @classmethod
    @abstractmethod
    def sizes(cls, agreed: Agreed) -> Sizes:
        """Return what a receiver knows of the axes."""

    @classmethod
    def required(cls, downlink: Self | None) -> Self:
        """Return what came down in a round that cannot do without.

        Raises
        ------
        WireError
            If nothing did.
        """
        if downlink is None:
            raise WireError(f"server: expected a payload {cls.schema}, got none")
        return downlink

    def fault(self, agreed: Agreed) -> str | None:  # noqa: ARG002
        """Return what is wrong with values that keep every field's rule, or ``None``.

        The answer begins with the field, e.g. ``"means: expected rows of length 1, got 3"``.
        """
        return None

    def under(self, settings: object) -> Self:
        """Return what travels of the payload under a method's settings."""
        values: dict[str, Any] = {name: getattr(self, name) for name in rules_of(type(self))}
        return type(self)(**{**values, **dict.fromkeys(unsent(type(self), settings))})


AnyKind = TypeVar("AnyKind", bound=Payload)


@dataclass_transform(frozen_default=True, field_specifiers=(tensor, labels))
def payload_base(kind: type[AnyKind]) -> type[AnyKind]:
    """Make a class one that payloads of several methods derive from."""
    return dataclass(frozen=True)(kind)


@dataclass_transform(frozen_default=True, field_specifiers=(tensor, labels))
def payload(schema: str, *, version: int) -> Callable[[type[AnyKind]], type[AnyKind]]:
    """Make a class a payload that may travel.

    Parameters
    ----------
    schema : str
        Its name on the wire and in the journal, ``"<method>.<what>"``; no two are the same.
    version : int
        Raised whenever fields or their meaning change.
    """

    def named(kind: type[AnyKind]) -> type[AnyKind]:
        kind.schema, kind.version = schema, version
        return dataclass(frozen=True)(kind)

    return named


def rules_of(kind: type[Payload]) -> dict[str, Rule]:
    """Return the rules of a payload's fields by name."""
    return {f.name: f.metadata["rule"] for f in fields(kind)}


def class_bounds(kind: type[Payload], agreed: Agreed) -> dict[str, int]:
    """Return how long axes may be along which labels stand, each class at most once."""
    of_labels = (rule.axes for rule in rules_of(kind).values() if rule.unique)
    return {axis: agreed.task.num_classes for axes in of_labels for axis in axes}


def unsent(kind: type[Payload], settings: object) -> frozenset[str]:
    """Return the fields of a payload that do not travel under a method's settings."""
    bound = {name: rule.travels_with for name, rule in rules_of(kind).items() if rule.travels_with}
    return frozenset(n for n, (key, value) in bound.items() if getattr(settings, key) != value)
