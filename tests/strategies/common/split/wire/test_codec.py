"""Numbers on the wire: exact where they must be, within stated errors elsewhere, never odd."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from strategies.common.errors import WireError
from strategies.common.split.wire.codec import (
    Coded,
    Floats,
    activation_sizes,
    decode_activations,
    decode_gradient,
    encode_activations,
    encode_gradient,
    gradient_sizes,
)
from strategies.common.split.wire.frames import CodecName

BOUND = 1e4
SHAPE = (2, 3, 4, 5, 5)
LARGEST = float(np.finfo(np.float32).max)


def normal(seed: int, scale: float = 1.0, shape: tuple[int, ...] = SHAPE) -> Floats:
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


def arrived(coded: Coded) -> Coded:
    """Return what the other end holds: the bytes themselves, in no array."""
    return Coded(memoryview(bytes(coded.data)), coded.scales.copy())


def activations_back(values: Floats, codec: CodecName, bound: float = BOUND) -> Floats:
    coded = arrived(encode_activations(values, codec, bound, "here"))
    assert (coded.data.nbytes, len(coded.scales)) == activation_sizes(values.shape, codec)
    return decode_activations(coded, values.shape, codec, bound, "here")


def gradient_back(values: Floats, codec: CodecName) -> Floats:
    coded = arrived(encode_gradient(values, codec, "here"))
    assert (coded.data.nbytes, len(coded.scales)) == gradient_sizes(values.shape, codec)
    return decode_gradient(coded, values.shape, codec, "here")


def test_float32_keeps_every_bit_of_activations_and_gradients() -> None:
    values = normal(0)
    values[0, 0, 0, 0, :3] = [np.float32(1e-45), -0.0, BOUND]
    for found in (activations_back(values, "float32"), gradient_back(values, "float32")):
        assert found.tobytes() == values.tobytes()
        assert found.flags.writeable


def test_float16_rounds_each_number_to_the_nearest_half() -> None:
    values = normal(1, 50)
    found = activations_back(values, "float16")
    assert (found == values.astype(np.float16)).all()
    assert (np.abs(found - values) <= np.abs(values) * 2**-11).all()


def test_bytes_of_rectified_activations_are_within_half_a_step_and_keep_zeros() -> None:
    values = np.maximum(normal(2, 3), 0)
    found = activations_back(values, "uint8")
    peaks = values.reshape(24, -1).max(axis=1)
    errors = np.abs(found - values).reshape(24, -1).max(axis=1)
    assert (errors <= peaks / 510 * (1 + 1e-5)).all()
    assert (found[values == 0] == 0).all()
    assert found.reshape(24, -1).max(axis=1) == pytest.approx(peaks, rel=1e-6)


def test_bytes_of_signed_activations_are_within_half_a_symmetric_step_and_keep_zeros() -> None:
    values = normal(3, 3)
    values[:, :, :, 0, 0] = 0
    found = activations_back(values, "uint8")
    peaks = np.abs(values).reshape(24, -1).max(axis=1)
    errors = np.abs(found - values).reshape(24, -1).max(axis=1)
    assert (errors <= peaks / 254 * (1 + 1e-5)).all()
    assert (found[values == 0] == 0).all()


def test_hand_worked_bytes() -> None:
    # Row 1 spans 0 to 2.55 in steps of 0.01; row 2 is signed with steps of 1.27 / 127 = 0.01.
    values = np.array([[[0.0, 1.0, 2.55], [-1.27, 0.5, 0.0]]], np.float32)
    coded = encode_activations(values.reshape(1, 2, 3), "uint8", BOUND, "here")
    assert np.asarray(coded.data).tolist() == [[0, 100, 255], [1, 178, 128]]
    assert coded.scales.tolist() == pytest.approx([0.01, -0.01])


def test_samples_without_spatial_axes_have_one_scale_each() -> None:
    assert activation_sizes((2, 3, 7), "uint8") == (42, 6)
    assert activation_sizes((2, 3, 7, 4, 4), "uint8") == (672, 42)
    values = normal(4, 2, (2, 3, 7))
    assert np.abs(activations_back(values, "uint8") - values).max() <= np.abs(values).max() / 254


@pytest.mark.parametrize("value", [0.0, 1e-45, 1e-40, -1e-44])
def test_rows_too_small_for_a_scale_read_as_small_numbers(value: float) -> None:
    values = np.full((1, 1, 1, 2, 2), value, np.float32)
    found = activations_back(values, "uint8")
    assert np.abs(found - values).max() <= abs(np.float32(value))


@settings(max_examples=60)
@given(
    st.lists(st.floats(-BOUND, BOUND, width=32), min_size=4, max_size=4),
    st.sampled_from(["float32", "float16", "uint8"]),
)
def test_any_numbers_within_the_bound_arrive_within_the_codecs_error(
    numbers: list[float], codec: CodecName
) -> None:
    values = np.array(numbers, np.float32).reshape(1, 1, 1, 2, 2)
    found = activations_back(values, codec)
    peak = float(np.abs(values).max())
    # The smallest half and the smallest scale bound the error from below.
    allowed = {"float32": 0.0, "float16": peak * 2**-11 + 2**-25, "uint8": peak / 253 + 1e-40}
    assert np.abs(found.astype(np.float64) - values).max() <= allowed[codec]


def test_rounding_at_the_bound_is_not_refused() -> None:
    values = np.array([BOUND, 2049.0, -9999.5, 0.0], np.float32).reshape(1, 1, 1, 2, 2)
    for codec in ("float32", "float16", "uint8"):
        activations_back(values, codec)


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e-8, 1e-20, 1e-30])
def test_gradients_in_halves_keep_their_precision_at_any_scale(scale: float) -> None:
    values = normal(5, scale)
    found = gradient_back(values, "float16").astype(np.float64)
    peaks = np.abs(values).max(axis=(1, 2, 3, 4), keepdims=True).astype(np.float64)
    assert (np.abs(found - values) <= np.abs(values) * 2.0**-11 + peaks * 2.0**-39).all()


def test_a_thousandth_of_a_gradient_is_a_thousandth_on_arrival() -> None:
    values = normal(6, 1e-4)
    whole, thousandth = gradient_back(values, "float16"), gradient_back(values / 1000, "float16")
    # Plain halves of the second would have lost all but two or three bits.
    plain = (values / 1000).astype(np.float16).astype(np.float32)
    assert np.abs(thousandth - values / 1000).max() < np.abs(plain - values / 1000).max() / 30
    assert thousandth * 1000 == pytest.approx(whole, rel=2e-3, abs=1e-10)


def test_a_clients_gradient_does_not_depend_on_who_shares_its_node() -> None:
    values = normal(7) * np.array([1.0, 1e-6], np.float32).reshape(2, 1, 1, 1, 1)
    together = gradient_back(values, "float16")
    alone = [gradient_back(values[i : i + 1], "float16") for i in range(2)]
    assert np.concatenate(alone).tobytes() == together.tobytes()


def test_scales_of_gradients_are_powers_of_two_and_zeros_have_one() -> None:
    values = normal(8)
    values[1] = 0
    coded = encode_gradient(values, "float16", "here")
    assert math.log2(coded.scales[0]).is_integer()
    assert coded.scales[1] == 1
    peak = np.abs(np.asarray(coded.data)[0].astype(np.float32)).max()
    assert 2**14 <= peak <= 2**15
    assert (gradient_back(values, "float16")[1] == 0).all()


@pytest.mark.parametrize("codec", ["float32", "float16", "uint8"])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1.01 * BOUND, -1.01 * BOUND])
def test_numbers_that_must_not_travel_are_refused_at_either_end(
    codec: CodecName, bad: float
) -> None:
    values = normal(9, 1, (1, 1, 1, 2, 2))
    values[0, 0, 0, 1, 1] = bad
    with pytest.raises(WireError, match="here: expected finite numbers of at most 10000"):
        encode_activations(values, codec, BOUND, "here")
    raw, scales = as_written(values, codec)
    with pytest.raises(WireError, match="here: expected finite numbers"):
        decode_activations(Coded(memoryview(raw), scales), values.shape, codec, BOUND, "here")


def as_written(values: Floats, codec: CodecName) -> tuple[bytes, NDArray[np.float32]]:
    """Write without checks, as a hostile node would."""
    none = np.zeros(0, np.float32)
    if codec == "float32":
        return values.tobytes(), none
    if codec == "float16":
        return values.astype(np.float16).tobytes(), none
    return b"\xff\x00\x80\x01", np.array([values.flat[-1] / 127], np.float32)


@pytest.mark.parametrize("count", [100, 20_000])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, BOUND * 1.0001, -BOUND * 1.0001])
def test_one_bad_number_among_few_or_many_is_found(count: int, bad: float) -> None:
    values = normal(10, 1, (1, 1, count))
    encode_activations(values, "float32", BOUND, "here")
    values[0, 0, count // 3] = bad
    with pytest.raises(WireError, match="here: expected finite numbers"):
        encode_activations(values, "float32", BOUND, "here")


def test_many_numbers_at_the_bound_are_within_it() -> None:
    values = np.full((1, 1, 5000), BOUND, np.float32)
    assert (activations_back(values, "float32") == BOUND).all()


def test_numbers_beyond_a_half_are_refused_by_name() -> None:
    values = np.full((1, 1, 1, 1, 1), 7e4, np.float32)
    with pytest.raises(WireError, match="at most 65504 in magnitude"):
        encode_activations(values, "float16", 1e6, "here")


@pytest.mark.parametrize("scale", [0.3, 0.0, -1.0, math.nan, math.inf])
def test_scales_of_gradients_that_are_no_powers_of_two_are_refused(scale: float) -> None:
    coded = Coded(memoryview(b"\x00\x3c"), np.array([scale], np.float32))
    with pytest.raises(WireError, match="expected scales that are powers of two"):
        decode_gradient(coded, (1, 1), "float16", "here")


@pytest.mark.parametrize("codec", ["float32", "float16"])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_gradients_that_are_not_finite_are_refused_at_either_end(
    codec: CodecName, bad: float
) -> None:
    values = np.array([[bad]], np.float32)
    with pytest.raises(WireError, match="expected finite numbers"):
        encode_gradient(values, codec, "here")
    raw = values.astype(np.float16 if codec == "float16" else np.float32).tobytes()
    scales = np.ones(1 if codec == "float16" else 0, np.float32)
    with pytest.raises(WireError, match="expected finite numbers"):
        decode_gradient(Coded(memoryview(raw), scales), (1, 1), codec, "here")
