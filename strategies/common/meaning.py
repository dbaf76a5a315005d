"""What stands behind the shape of a task: which classes, which range of values, which rows.

Two tasks of one shape may still be unlike: class 1 is dogs here and foxes there, values reach 1
here and 255 there. Where a part is empty, it is unknown or each client's own, and fits any other.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, final

BYTES: Final = "bytes"
FLOATS: Final = "floats"
READINGS: Final = "readings"
RANGE_KINDS: Final = (BYTES, FLOATS, READINGS)

# Clients hold unlike samples, so ranges of one scale differ; unlike scales do by more than this.
_MOST_TIMES_WIDER: Final = 8.0
_HALF_OF_BYTES: Final = 127.5


@final
@dataclass(frozen=True)
class ValueRange:
    """The values of a client's inputs.

    Attributes
    ----------
    kind : str
        ``"bytes"`` of images, which are scaled to [-1, 1]; ``"floats"`` of images, or
        ``"readings"`` of sensors, which stay as they are.
    low, high : float
        Lowest and highest value as stored.
    """

    kind: str
    low: float
    high: float

    def fits(self, other: "ValueRange", times_wider: float = _MOST_TIMES_WIDER) -> bool:
        """Tell whether both may come from one scale, and one so much wider than the other."""
        if not self._may_stand_beside(other):
            return False
        (low, high), (lower, higher) = self._as_read(), other._as_read()
        narrow, wide = sorted((high - low, higher - lower))
        if narrow == 0.0:  # values that are all alike tell no scale
            return True
        apart = abs(low + high - lower - higher) / 2
        return wide <= times_wider * narrow and apart <= 2.0 * wide

    def _may_stand_beside(self, other: "ValueRange") -> bool:
        """Tell whether kinds and signs go together."""
        if {self.kind, other.kind} == {BYTES, FLOATS}:
            floats = self if self.kind == FLOATS else other
            return -1.0 <= floats.low < 0.0 and floats.high <= 1.0
        if self.kind != other.kind:
            return False
        return self.kind != FLOATS or (self.low < 0.0) is (other.low < 0.0)

    def _as_read(self) -> tuple[float, float]:
        """Return the range as networks read it."""
        if self.kind != BYTES:
            return self.low, self.high
        return self.low / _HALF_OF_BYTES - 1.0, self.high / _HALF_OF_BYTES - 1.0

    def __str__(self) -> str:
        """Return kind and range, of which three digits tell scales apart, for messages."""
        if self.kind == BYTES:
            return f"bytes from {self.low:.3g} to {self.high:.3g} (0 to 255 are scaled to [-1, 1])"
        return f"{self.kind} from {self.low:.3g} to {self.high:.3g}, taken as they are"


@final
@dataclass(frozen=True)
class Dealt:
    """Common data of which each client takes its share.

    Attributes
    ----------
    source : str
        Kind of the data source.
    digest : str
        SHA-256 of the labels of all rows, and of files of images of what they hold.
    num_partitions : int
        Clients that they are dealt to.
    """

    source: str
    digest: str
    num_partitions: int


@final
@dataclass(frozen=True)
class Meaning:
    """What clients must agree on beside shapes.

    Attributes
    ----------
    classes : str
        Digest of the names of the classes in label order; empty where they are private.
    class_names : tuple[str, ...]
        These names, as far as they are told.
    counted : bool
        Whether the number of classes follows from the highest label that was found.
    values : ValueRange | None
        Values of the inputs; ``None`` for tokens.
    dealt : Dealt | None
        Data that are dealt; ``None`` where clients have data of their own.
    words : str
        Digest of whatever decides which token a word is, or which column of a table is which
        number; empty where that is not known.
    """

    classes: str = ""
    class_names: tuple[str, ...] = ()
    counted: bool = False
    values: ValueRange | None = None
    dealt: Dealt | None = None
    words: str = ""

    def to_values(self) -> dict[str, Any]:
        """Return plain values that :meth:`from_values` reads back, as JSON can hold them."""
        return {**asdict(self), "class_names": list(self.class_names)}

    @staticmethod
    def from_values(values: Mapping[str, Any]) -> "Meaning":
        """Build what :meth:`to_values` was made of.

        Raises
        ------
        KeyError, TypeError, ValueError
            If something is missing or unknown.
        """
        found, dealt = values.get("values"), values.get("dealt")
        return Meaning(
            **{
                **values,
                "class_names": tuple(values.get("class_names", ())),
                "values": ValueRange(**found) if found else None,
                "dealt": Dealt(**dealt) if dealt else None,
            }
        )


UNKNOWN: Final = Meaning()
