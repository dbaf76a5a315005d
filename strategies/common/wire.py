"""Payloads: frozen dataclasses of tensors that travel as one checked blob.

A payload names its schema and version, and gives every field a kind, named axes and a
meaning. On the wire it is one safetensors blob: a small JSON header, then the raw bytes.
Decoding trusts nothing: size, header, schema, version, field names, dtypes, shapes, label
ranges and finiteness are checked, in that order, and nothing is ever unpickled.

Examples
--------
>>> @dataclass(frozen=True)
... class Means(Payload):
...     schema: ClassVar[str] = "example.means"
...     version: ClassVar[int] = 1
...     means: Tensor = tensor("float", "present", "feature")
...     labels: Tensor = labels("present")
...
...     @staticmethod
...     def sizes(task: Task) -> Sizes:
...         return Sizes(task.num_classes, {"feature": task.feature_dim}, {"present": 10})
"""

import json
import struct
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, TypeVar, final

import safetensors.torch
import torch
from torch import Tensor

from strategies.common.errors import WireError
from strategies.common.task import Task

Kind = Literal["float", "int64", "uint8", "bool"]
AnyPayload = TypeVar("AnyPayload", bound="Payload")

# A safetensors header costs about 100 bytes per field; far more than that is an attack.
MAX_HEADER_BYTES = 4096

_DTYPES = {
    "float32": torch.float32,
    "float16": torch.float16,
    "int64": torch.int64,
    "uint8": torch.uint8,
    "bool": torch.bool,
}


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
    num_classes : int
        Labels must lie in [0, num_classes).
    """

    num_classes: int
    exact: Mapping[str, int] = field(default_factory=dict)
    at_most: Mapping[str, int] = field(default_factory=dict)

    def bound(self, axis: str) -> int:
        """Return the longest that an axis may be."""
        return self.exact[axis] if axis in self.exact else self.at_most[axis]


@final
@dataclass(frozen=True)
class _Rule:
    kind: Kind
    axes: tuple[str, ...]
    is_label: bool = False
    unique: bool = False


def tensor(kind: Kind, *axes: str) -> Any:
    """Declare a payload field.

    Parameters
    ----------
    kind : Kind
        ``"float"`` travels as the run's ``wire-dtype`` and arrives as float32.
    *axes : str
        Names of the axes; the same name has the same length in all fields.
    """
    return field(metadata={"rule": _Rule(kind, axes)})


def labels(axis: str, *, unique: bool = True) -> Any:
    """Declare an int64 field of class labels along one axis, each class at most once."""
    return field(metadata={"rule": _Rule("int64", (axis,), is_label=True, unique=unique)})


@dataclass(frozen=True)
class Payload(ABC):
    """Base of all payloads; subclasses are final, frozen and declare tensors only."""

    schema: ClassVar[str]
    version: ClassVar[int]

    @staticmethod
    @abstractmethod
    def sizes(task: Task) -> Sizes:
        """Return what a receiver knows of the axes, given the task."""


def encode(payload: Payload, wire_dtype: str) -> bytes:
    """Pack a payload into one blob.

    Parameters
    ----------
    payload : Payload
        What to send.
    wire_dtype : str
        ``"float32"`` or ``"float16"`` for the floating-point fields.

    Raises
    ------
    WireError
        If a value is not finite, or is too large for the wire's dtype.
    """
    packed = {}
    for name, rule in _rules(type(payload)).items():
        value: Tensor = getattr(payload, name).detach().to("cpu")
        sent = value.to(_DTYPES[wire_dtype if rule.kind == "float" else rule.kind])
        if rule.kind == "float" and not bool(torch.isfinite(sent).all()):
            raise WireError(
                f"{payload.schema}.{name}: expected finite {wire_dtype} values to send, got "
                f"NaN or infinity; lower the learning rate or use wire-dtype=float32"
            )
        # A copy of its own: safetensors refuses fields that share storage.
        packed[name] = sent.clone(memory_format=torch.contiguous_format)
    stamp = {"schema": payload.schema, "version": str(payload.version)}
    return bytes(safetensors.torch.save(packed, metadata=stamp))


def decode(
    kind: type[AnyPayload], blob: bytes, task: Task, *, wire_dtype: str, sender: str
) -> AnyPayload:
    """Unpack and check a blob.

    Parameters
    ----------
    kind : type
        Payload that is expected.
    blob : bytes
        What arrived.
    task : Task
        Gives the sizes of the axes.
    wire_dtype : str
        The run's dtype for floating-point fields.
    sender : str
        Who sent it, for error messages.

    Raises
    ------
    WireError
        Naming sender, payload, field, expected and got.
    """
    where = f"{sender}: {kind.schema}"
    rules = _rules(kind)
    sizes = kind.sizes(task)
    _check_length(where, rules, sizes, wire_dtype, len(blob))
    _check_header(where, kind, set(rules), _header(where, blob))
    try:
        values = safetensors.torch.load(blob)
    except Exception as error:  # a hostile header makes the library raise almost anything
        reason = str(error).split("\n", 1)[0]
        raise WireError(f"{where}: expected a readable blob, got one with {reason}") from None
    lengths: dict[str, int] = {}
    for name, rule in rules.items():
        _check_field(f"{where}.{name}", rule, values[name], sizes, lengths, wire_dtype)
        if rule.kind == "float":
            values[name] = values[name].to(torch.float32)
    return kind(**values)


def _rules(kind: type[Payload]) -> dict[str, _Rule]:
    return {f.name: f.metadata["rule"] for f in fields(kind)}


def _wire_type(rule: _Rule, wire_dtype: str) -> torch.dtype:
    return _DTYPES[wire_dtype if rule.kind == "float" else rule.kind]


def _check_length(
    where: str, rules: Mapping[str, _Rule], sizes: Sizes, wire_dtype: str, length: int
) -> None:
    most = MAX_HEADER_BYTES + 8
    for rule in rules.values():
        count = 1
        for axis in rule.axes:
            count *= sizes.bound(axis)
        most += count * _wire_type(rule, wire_dtype).itemsize
    if length > most:
        raise WireError(f"{where}: expected at most {most} bytes, got {length}")


def _header(where: str, blob: bytes) -> dict[str, Any]:
    if len(blob) < 8:
        raise WireError(f"{where}: expected a blob with a header, got {len(blob)} bytes")
    (length,) = struct.unpack("<Q", blob[:8])
    if length > min(MAX_HEADER_BYTES, len(blob) - 8):
        raise WireError(f"{where}: expected a header within the blob, got length {length}")
    try:
        header = json.loads(blob[8 : 8 + length])
    except (ValueError, RecursionError):
        raise WireError(f"{where}: expected a JSON header, got something else") from None
    if not isinstance(header, dict):
        raise WireError(f"{where}: expected a JSON object as header, got {type(header).__name__}")
    return header


def _check_header(
    where: str, kind: type[Payload], expected: set[str], header: dict[str, Any]
) -> None:
    stamp = header.pop("__metadata__", None)
    wanted = {"schema": kind.schema, "version": str(kind.version)}
    if stamp != wanted:
        raise WireError(
            f"{where}: expected schema {kind.schema} version {kind.version}, got {stamp}; "
            f"all parts of a federation must run the same version of the app"
        )
    if unknown := sorted(set(header) - expected):
        raise WireError(f"{where}: unknown field {', '.join(unknown)}")
    if missing := sorted(expected - set(header)):
        raise WireError(f"{where}: missing field {', '.join(missing)}")


def _check_field(
    where: str,
    rule: _Rule,
    value: Tensor,
    sizes: Sizes,
    lengths: dict[str, int],
    wire_dtype: str,
) -> None:
    dtype = _wire_type(rule, wire_dtype)
    if value.dtype != dtype:
        raise WireError(f"{where}: expected {dtype}, got {value.dtype}")
    shape = tuple(value.shape)
    if len(shape) != len(rule.axes):
        raise WireError(f"{where}: expected {_describe(rule, sizes)}, got {shape}")
    for axis, length in zip(rule.axes, shape, strict=True):
        wrong = length != sizes.exact[axis] if axis in sizes.exact else length > sizes.bound(axis)
        if wrong or lengths.setdefault(axis, length) != length:
            raise WireError(f"{where}: expected {_describe(rule, sizes, lengths)}, got {shape}")
    if rule.kind == "float" and not bool(torch.isfinite(value).all()):
        raise WireError(f"{where}: expected finite values, got NaN or infinity")
    if rule.is_label and value.numel():
        low, high = int(value.min()), int(value.max())
        if low < 0 or high >= sizes.num_classes:
            raise WireError(
                f"{where}: expected labels in [0, {sizes.num_classes}), got {low} to {high}"
            )
        if rule.unique and len(set(value.tolist())) != len(value):
            raise WireError(f"{where}: expected each class once, got {value.tolist()}")


def _describe(rule: _Rule, sizes: Sizes, lengths: Mapping[str, int] | None = None) -> str:
    parts = []
    for axis in rule.axes:
        if axis in sizes.exact:
            parts.append(f"{axis}={sizes.exact[axis]}")
        elif lengths and axis in lengths and lengths[axis] <= sizes.bound(axis):
            parts.append(f"{axis}={lengths[axis]}")
        else:
            parts.append(f"{axis}<={sizes.bound(axis)}")
    return f"({', '.join(parts)})"
