"""Payloads as one checked blob each: a small JSON header, then the raw bytes (safetensors).

Decoding trusts nothing. Size, header, schema, version, field names, dtypes, shapes and the
exact number of bytes are checked before a tensor is built; then ranges, label ranges and
finiteness. Nothing is ever unpickled.
"""

import json
import struct
from collections.abc import Mapping
from math import prod
from typing import Any, TypeVar

import safetensors.torch
import torch
from torch import Tensor

from strategies.common.agreed import Agreed
from strategies.common.errors import LOWER_RATES, WireError
from strategies.common.foreign_text import seen
from strategies.common.payload import Payload, Rule, Sizes, rules_of

AnyPayload = TypeVar("AnyPayload", bound=Payload)

# A safetensors header costs about 100 bytes per field; far more than that is an attack.
MAX_HEADER_BYTES = 4096
_LENGTH_BYTES = 8

_DTYPES = {
    "float32": torch.float32,
    "float16": torch.float16,
    "int64": torch.int64,
    "uint8": torch.uint8,
    "bool": torch.bool,
}
# As safetensors writes them; those that no field may have are here to be named in errors.
_WRITTEN = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def as_sent(value: Tensor, wire_dtype: str) -> Tensor:
    """Return floating-point numbers as they arrive."""
    return value.to(_DTYPES[wire_dtype]).to(value.dtype)


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
    for name, rule in rules_of(type(payload)).items():
        given: Tensor | None = getattr(payload, name)
        if given is None and rule.optional:
            continue
        if given is None:
            raise TypeError(f"{payload.schema}.{name}: expected a tensor, got None")
        value = given.detach().to("cpu")
        sent = value.to(_DTYPES[wire_dtype if rule.kind == "float" else rule.kind])
        if rule.kind == "float" and not bool(torch.isfinite(sent).all()):
            raise WireError(
                f"{payload.schema}.{name}: expected finite {wire_dtype} values to send, got "
                f"NaN or infinity; {LOWER_RATES}, or set wire-dtype=float32"
            )
        # A copy of its own: safetensors refuses fields that share storage.
        packed[name] = sent.clone(memory_format=torch.contiguous_format)
    stamp = {"schema": payload.schema, "version": str(payload.version)}
    return bytes(safetensors.torch.save(packed, metadata=stamp))


def decode(kind: type[AnyPayload], blob: bytes, agreed: Agreed, *, sender: str) -> AnyPayload:
    """Unpack and check a blob.

    Parameters
    ----------
    kind : type
        Payload that is expected.
    blob : bytes
        What arrived.
    agreed : Agreed
        Gives the sizes of the axes, the classes and the dtype of floating-point fields.
    sender : str
        Who sent it, for error messages.

    Raises
    ------
    WireError
        Naming sender, payload, field, expected and got.
    """
    where = f"{sender}: {kind.schema}"
    sizes, dtype = kind.sizes(agreed), agreed.run.wire_dtype
    rules = {n: r for n, r in rules_of(kind).items() if n not in sizes.absent}
    _check_bound(where, rules, sizes, dtype, len(blob))
    header, header_bytes = _header(where, blob)
    _check_names(where, kind, set(rules), header)
    numbers = _check_layout(where, rules, sizes, dtype, header)
    exactly = _LENGTH_BYTES + header_bytes + numbers
    if len(blob) != exactly:
        raise WireError(f"{where}: expected exactly {exactly} bytes, got {len(blob)}")
    try:
        values: dict[str, Any] = safetensors.torch.load(blob)
    except Exception as error:  # a hostile header makes the library raise almost anything
        reason = str(error).split("\n", 1)[0]
        raise WireError(f"{where}: expected a readable blob, got one with {seen(reason)}") from None
    for name, rule in rules.items():
        _check_values(f"{where}.{name}", rule, values[name], agreed.task.num_classes)
        if rule.kind == "float":
            values[name] = values[name].to(torch.float32)
    payload = kind(**values, **dict.fromkeys(sizes.absent))
    if fault := payload.fault(agreed):
        raise WireError(f"{where}.{fault}")
    return payload


def _wire_type(rule: Rule, wire_dtype: str) -> torch.dtype:
    return _DTYPES[wire_dtype if rule.kind == "float" else rule.kind]


def _check_bound(
    where: str, rules: Mapping[str, Rule], sizes: Sizes, wire_dtype: str, length: int
) -> None:
    """Refuse what is too long for any header, before the header is read."""
    most = MAX_HEADER_BYTES + _LENGTH_BYTES
    for rule in rules.values():
        count = prod(sizes.bound(axis) for axis in rule.axes)
        most += count * _wire_type(rule, wire_dtype).itemsize
    if length > most:
        raise WireError(f"{where}: expected at most {most} bytes, got {length}")


def _header(where: str, blob: bytes) -> tuple[dict[str, Any], int]:
    """Return the header and its length in bytes."""
    if len(blob) < _LENGTH_BYTES:
        raise WireError(f"{where}: expected a blob with a header, got {len(blob)} bytes")
    (length,) = struct.unpack("<Q", blob[:_LENGTH_BYTES])
    if length > min(MAX_HEADER_BYTES, len(blob) - _LENGTH_BYTES):
        raise WireError(f"{where}: expected a header within the blob, got length {length}")
    try:
        header = json.loads(blob[_LENGTH_BYTES : _LENGTH_BYTES + length])
    except (ValueError, RecursionError):
        raise WireError(f"{where}: expected a JSON header, got something else") from None
    if not isinstance(header, dict):
        raise WireError(f"{where}: expected a JSON object as header, got {type(header).__name__}")
    return header, length


def _check_names(
    where: str, kind: type[Payload], expected: set[str], header: dict[str, Any]
) -> None:
    stamp = header.pop("__metadata__", None)
    wanted = {"schema": kind.schema, "version": str(kind.version)}
    if stamp != wanted:
        raise WireError(
            f"{where}: expected schema {kind.schema} version {kind.version}, got {seen(stamp)}; "
            f"all parts of a federation must run the same version of the app"
        )
    if unknown := sorted(set(header) - expected):
        raise WireError(f"{where}: unknown field {seen(', '.join(unknown))}")
    if missing := sorted(expected - set(header)):
        raise WireError(f"{where}: missing field {', '.join(missing)}")


def _check_layout(
    where: str,
    rules: Mapping[str, Rule],
    sizes: Sizes,
    wire_dtype: str,
    header: Mapping[str, Any],
) -> int:
    """Check dtypes and shapes, and return how many bytes they take."""
    lengths: dict[str, int] = {}
    numbers = 0
    for name, rule in rules.items():
        dtype, shape = _declared(f"{where}.{name}", header[name])
        wanted = _wire_type(rule, wire_dtype)
        if dtype != wanted:
            raise WireError(f"{where}.{name}: expected {wanted}, got {seen(dtype)}")
        _check_shape(f"{where}.{name}", rule, shape, sizes, lengths)
        numbers += prod(shape) * wanted.itemsize
    return numbers


def _declared(where: str, entry: object) -> tuple[torch.dtype | str, tuple[int, ...]]:
    """Read dtype and shape of a field in the header."""
    found = entry if isinstance(entry, dict) else {}
    dtype, shape = found.get("dtype"), found.get("shape")
    if not isinstance(dtype, str) or not isinstance(shape, list):
        raise WireError(f"{where}: expected dtype and shape in the header, got neither")
    if not all(type(length) is int and length >= 0 for length in shape):
        raise WireError(f"{where}: expected a shape of whole numbers, got {seen(shape)}")
    return _WRITTEN.get(dtype, dtype), tuple(shape)


def _check_shape(
    where: str, rule: Rule, shape: tuple[int, ...], sizes: Sizes, lengths: dict[str, int]
) -> None:
    if len(shape) != len(rule.axes):
        raise WireError(f"{where}: expected {_describe(rule, sizes)}, got {seen(shape)}")
    for axis, length in zip(rule.axes, shape, strict=True):
        wrong = length != sizes.exact[axis] if axis in sizes.exact else length > sizes.bound(axis)
        if wrong or lengths.setdefault(axis, length) != length:
            raise WireError(
                f"{where}: expected {_describe(rule, sizes, lengths)}, got {seen(shape)}"
            )


def _check_values(where: str, rule: Rule, value: Tensor, num_classes: int) -> None:
    if rule.kind == "float" and not bool(torch.isfinite(value).all()):
        raise WireError(f"{where}: expected finite values, got NaN or infinity")
    if rule.kind == "bool" or not value.numel():
        return
    lowest, highest = value.min().item(), value.max().item()
    if rule.is_label and (lowest < 0 or highest >= num_classes):
        raise WireError(
            f"{where}: expected labels in [0, {num_classes}), got {lowest} to {highest}"
        )
    if rule.unique and len(set(value.tolist())) != len(value):
        raise WireError(f"{where}: expected each class once, got {seen(value.tolist())}")
    if rule.low is not None and lowest < rule.low:
        raise WireError(f"{where}: expected at least {rule.low:g}, got {lowest:g}")
    if rule.high is not None and highest > rule.high:
        raise WireError(f"{where}: expected at most {rule.high:g}, got {highest:g}")


def _describe(rule: Rule, sizes: Sizes, lengths: Mapping[str, int] | None = None) -> str:
    parts = []
    for axis in rule.axes:
        if axis in sizes.exact:
            parts.append(f"{axis}={sizes.exact[axis]}")
        elif lengths and axis in lengths and lengths[axis] <= sizes.bound(axis):
            parts.append(f"{axis}={lengths[axis]}")
        else:
            parts.append(f"{axis}<={sizes.bound(axis)}")
    return f"({', '.join(parts)})"
