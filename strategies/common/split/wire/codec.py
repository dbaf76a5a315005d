"""How numbers are written: float32, float16 or uint8, with the scales that belong to them.

Every row of numbers has a scale of its own, so that what arrives does not depend on which
logical clients share a node.

=========  ==============  =======================================  =======================
codec      rows            number read                              largest error
=========  ==============  =======================================  =======================
float32    no scales       the number                               0
float16    no scales       the nearest float16                      2^-11 of the number
uint8      sample-channel  scale * byte, or -scale * (byte - 128)   peak / 510 or peak / 254
=========  ==============  =======================================  =======================

An activation after a rectifier is nowhere negative: its row spans bytes 0 to 255. A row with
a negative number is written symmetrically about byte 128, and its scale travels negated.
Both keep zero exactly, which is what a rectifier produces most. The peak is a row's largest
magnitude.

A gradient shrinks with the batch and would underflow in float16. Each client's gradient is
therefore multiplied by a power of two that brings its peak just below 2^15; errors are at
most 2^-11 of a number, or 2^-39 of the peak where that is more.
"""

import math
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from strategies.common.errors import WireError
from strategies.common.split.wire.frames import CodecName
from strategies.common.split.wire.tail import Buffer

Floats = NDArray[np.float32]
Shape = tuple[int, ...]

_ITEM_BYTES = {"float32": 4, "float16": 2, "uint8": 1}
NO_SCALES: Floats = np.zeros(0, np.float32)
_ZERO_BYTE = 128
# Peaks of scaled gradients lie in [2^14, 2^15), well inside float16's 65504.
_PEAK_EXPONENT = 15
# A power of two whose inverse is a normal float32 too.
_MAX_EXPONENT = 126
# Rounding may carry the largest number of a lossy codec past the bound by this much.
_LOSSY_BOUND = 1 + 2**-10
# Beyond so many numbers, a linear algebra library may start threads of its own.
_FEW = 8192
_MARGIN = 0.99


@final
class Coded(NamedTuple):
    """Numbers as they travel.

    Attributes
    ----------
    data : NDArray | memoryview
        In C order, little-endian.
    scales : NDArray[np.float32]
        One per row; empty where the codec has none.
    """

    data: Buffer
    scales: Floats


def activation_sizes(shape: Shape, codec: CodecName) -> tuple[int, int]:
    """Return how many bytes and scales activations take.

    Parameters
    ----------
    shape : tuple[int, ...]
        (clients, batch, *shape of a sample).
    codec : str
        How they travel.
    """
    return math.prod(shape) * _ITEM_BYTES[codec], _rows(shape) if codec == "uint8" else 0


def gradient_sizes(shape: Shape, codec: CodecName) -> tuple[int, int]:
    """Return how many bytes and scales a gradient takes; shape as for activations."""
    return math.prod(shape) * _ITEM_BYTES[codec], shape[0] if codec == "float16" else 0


def encode_activations(values: Floats, codec: CodecName, bound: float, where: str) -> Coded:
    """Write activations.

    Parameters
    ----------
    values : NDArray[np.float32]
        (clients, batch, *shape of a sample), C order.
    codec : str
        How to write them.
    bound : float
        Largest magnitude that may be sent.
    where : str
        Place for the error message.

    Raises
    ------
    WireError
        If a number is not finite, beyond the bound or too large for the codec.
    """
    check_range(values, bound, where)
    if codec == "float32":
        return Coded(values.astype("<f4", copy=False), NO_SCALES)
    if codec == "float16":
        with np.errstate(over="ignore"):
            halves = values.astype("<f2")
        check_range(halves, float(np.finfo(np.float16).max), where)
        return Coded(halves, NO_SCALES)
    return _encode_bytes(values)


def decode_activations(
    coded: Coded, shape: Shape, codec: CodecName, bound: float, where: str
) -> Floats:
    """Read activations strictly.

    Parameters
    ----------
    coded : Coded
        As many bytes and scales as :func:`activation_sizes` says.
    shape : tuple[int, ...]
        (clients, batch, *shape of a sample).
    codec : str
        How they were written.
    bound : float
        Largest magnitude that may arrive, up to a lossy codec's own rounding.
    where : str
        Place for the error message.

    Returns
    -------
    NDArray[np.float32]
        Numbers of that shape, writable.

    Raises
    ------
    WireError
        If a number is not finite or beyond the bound.
    """
    if codec == "float32":
        values = np.frombuffer(coded.data, "<f4").astype(np.float32)
        check_range(values, bound, where)
    else:
        # Signalling NaNs and infinite scales are refused below, not warned of.
        with np.errstate(all="ignore"):
            if codec == "float16":
                values = np.frombuffer(coded.data, "<f2").astype(np.float32)
            else:
                values = _decode_bytes(coded)
        check_range(values, bound * _LOSSY_BOUND, where)
    return values.reshape(shape)


def encode_gradient(values: Floats, codec: CodecName, where: str) -> Coded:
    """Write a gradient.

    Parameters
    ----------
    values : NDArray[np.float32]
        (clients, batch, *shape of a sample), C order.
    codec : str
        ``"float32"`` or ``"float16"``.
    where : str
        Place for the error message.

    Raises
    ------
    WireError
        If a number is not finite.
    """
    check_range(values, float(np.finfo(np.float32).max), where)
    if codec == "float32":
        return Coded(values.astype("<f4", copy=False), NO_SCALES)
    rows = values.reshape(len(values), -1)
    peaks = np.maximum(rows.max(axis=1), -rows.min(axis=1))
    exponents = np.clip(_PEAK_EXPONENT - np.frexp(peaks)[1], -_MAX_EXPONENT, _MAX_EXPONENT)
    exponents[peaks == 0] = 0
    halves = np.ldexp(rows, exponents[:, None]).astype("<f2")
    return Coded(halves, np.ldexp(np.float32(1), -exponents))


def decode_gradient(coded: Coded, shape: Shape, codec: CodecName, where: str) -> Floats:
    """Read a gradient strictly; parameters as for :func:`decode_activations`.

    Raises
    ------
    WireError
        If a number is not finite, or a scale is no power of two.
    """
    if codec == "float32":
        values = np.frombuffer(coded.data, "<f4").astype(np.float32)
    else:
        mantissas = np.frexp(coded.scales)[0]
        if not (mantissas == 0.5).all():
            raise WireError(f"{where}: expected scales that are powers of two, got others")
        with np.errstate(all="ignore"):
            halves = np.frombuffer(coded.data, "<f2").astype(np.float32)
            values = halves.reshape(len(coded.scales), -1) * coded.scales[:, None]
    check_range(values, float(np.finfo(np.float32).max), where)
    return values.reshape(shape)


def check_range(values: NDArray[np.floating[Any]], bound: float, where: str) -> None:
    """Refuse numbers that are not finite or beyond a bound.

    Raises
    ------
    WireError
        Saying how large the numbers may be.
    """
    if values.dtype == np.float32 and values.size <= _FEW:
        flat = values.ravel()
        with np.errstate(all="ignore"):
            squares = float(flat.dot(flat))
        # No number is larger than the root of the sum of squares, and one look is cheaper than
        # two. NaN and overflow compare false; rounding stays far within the margin.
        if squares <= _MARGIN * bound * bound:
            return
    low, high = np.minimum.reduce(values, axis=None), np.maximum.reduce(values, axis=None)
    # NaN compares false with everything, and spreads to both ends.
    if not (low >= -bound and high <= bound):
        got = "NaN" if np.isnan(low) else f"{max(-low, high):g}"
        raise WireError(
            f"{where}: expected finite numbers of at most {bound:g} in magnitude, got {got}; a "
            f"lower learning rate, or a greater split.max-value where such numbers are right, helps"
        )


def _rows(shape: Shape) -> int:
    """Count sample-channels; a sample without spatial axes is one row."""
    return math.prod(shape[:3]) if len(shape) > 3 else math.prod(shape[:2])


def _encode_bytes(values: Floats) -> Coded:
    rows = values.reshape(_rows(values.shape), -1)
    low, high = rows.min(axis=1), rows.max(axis=1)
    signed = low < 0
    scales = np.where(signed, np.maximum(-low, high) / 127, high / 255).astype(np.float32)
    # A row of zeros, or of numbers so small that their scale underflows, reads as zeros.
    levels = np.divide(rows, scales[:, None], out=np.zeros_like(rows), where=scales[:, None] > 0)
    np.rint(levels, out=levels)
    levels += np.where(signed, _ZERO_BYTE, 0).astype(np.float32)[:, None]
    coded = np.clip(levels, 0, 255).astype(np.uint8)
    return Coded(coded, np.where(signed, -scales, scales))


def _decode_bytes(coded: Coded) -> Floats:
    levels = np.frombuffer(coded.data, np.uint8).astype(np.float32)
    levels = levels.reshape(len(coded.scales), -1)
    signed = coded.scales < 0
    levels -= np.where(signed, _ZERO_BYTE, 0).astype(np.float32)[:, None]
    levels *= np.abs(coded.scales)[:, None]
    return levels
