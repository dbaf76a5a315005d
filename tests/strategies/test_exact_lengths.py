"""No payload is read whose length is not what the task and the settings say."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from math import prod

import pytest
import torch
from torch import Tensor

from strategies import methods
from strategies.common.agreed import Agreed
from strategies.common.errors import WireError
from strategies.common.payload import Payload, Rule, rules_of
from strategies.common.wire import MAX_HEADER_BYTES, decode, encode
from tests.strategies import halves
from tests.strategies.golden_blobs import SETTINGS, TASK, agreed_on, payloads

KINDS = payloads()
ROUNDS = (1, 2, 3)
MOST_BYTES = 64 * 2**20
BYTES = {"float": 4, "int64": 8, "uint8": 1, "bool": 1}

Lengths = Mapping[str, int]


def unit_rows(numbers: Tensor) -> Tensor:
    """Return rows of length 1."""
    return torch.nn.functional.normalize(numbers, dim=-1) if numbers.ndim > 1 else numbers


def distributions(numbers: Tensor) -> Tensor:
    """Return rows that sum to 1."""
    return numbers.softmax(-1) if numbers.ndim > 1 else numbers


def as_drawn(numbers: Tensor) -> Tensor:
    """Return the numbers themselves."""
    return numbers


# What payloads ask of their rows beside the rules of single fields.
SHAPINGS: tuple[Callable[[Tensor], Tensor], ...] = (as_drawn, unit_rows, distributions)


def present(kind: type[Payload], agreed: Agreed) -> dict[str, Rule]:
    """Return the rules of the fields that travel."""
    absent = kind.sizes(agreed).absent
    return {name: rule for name, rule in rules_of(kind).items() if name not in absent}


def lengths_of(kind: type[Payload], agreed: Agreed) -> dict[str, int]:
    """Return the longest allowed length of every axis that travels."""
    sizes = kind.sizes(agreed)
    axes = {axis for rule in present(kind, agreed).values() for axis in rule.axes}
    return {axis: sizes.bound(axis) for axis in sorted(axes)}


def drawn(
    kind: type[Payload], agreed: Agreed, lengths: Lengths, shaping: Callable[[Tensor], Tensor]
) -> Payload:
    """Draw a payload whose axes have some lengths, its values within the fields' rules."""
    rules = present(kind, agreed)
    values = {
        name: _draw(rules[name], lengths, shaping) if name in rules else None
        for name in rules_of(kind)
    }
    return kind(**values)


def _draw(rule: Rule, lengths: Lengths, shaping: Callable[[Tensor], Tensor]) -> Tensor:
    shape = [lengths[axis] for axis in rule.axes]
    randomness = torch.Generator().manual_seed(0)
    if rule.kind == "float":
        numbers = torch.rand(shape, generator=randomness)
        high = 1.0 if rule.high is None else rule.high
        low = 0.0 if rule.low is None else rule.low
        return shaping(low + (high - low) * numbers)
    if rule.is_label:
        return torch.arange(prod(shape)).reshape(shape) % TASK.num_classes
    low = int(rule.low or 0)
    # Where any number will do, the least: others may say how long another field is.
    high = low if rule.high is None else int(rule.high)
    whole = torch.randint(low, high + 1, shape, generator=randomness)
    return whole.to({"int64": torch.int64, "uint8": torch.uint8, "bool": torch.bool}[rule.kind])


def shaping_of(kind: type[Payload], agreed: Agreed) -> Callable[[Tensor], Tensor]:
    """Return what makes drawn rows into rows that the payload allows."""
    lengths = lengths_of(kind, agreed)
    for shaping in SHAPINGS:
        if drawn(kind, agreed, lengths, shaping).fault(agreed) is None:
            return shaping
    raise AssertionError(f"{kind.schema}: no shaping of random rows suits it")


def blob_of(kind: type[Payload], agreed: Agreed, **other: int) -> bytes:
    """Encode a payload of the longest lengths, but for some other ones."""
    lengths = {**lengths_of(kind, agreed), **other}
    shaping = shaping_of(kind, agreed)
    return encode(drawn(kind, agreed, lengths, shaping), agreed.run.wire_dtype)


def in_phases() -> Iterator[tuple[str, type[Payload]]]:
    """Yield what both halves of every method name in their rounds."""
    overrides = {key.replace("-", "_"): value for key, value in SETTINGS.items() if "." not in key}
    for method in methods.METHODS:
        tables = {key: value for key, value in SETTINGS.items() if "." in key}
        run = halves.run_of(method, **overrides)
        for half in (
            halves.client(method, TASK, run, **tables),
            halves.server(method, TASK, run, **{**tables, "fedktl.latent-dim": 0}),
        ):
            for round_number in ROUNDS:
                phase = half.phase(round_number)
                yield from ((method, kind) for kind in (phase.up, phase.down) if kind)


def test_every_payload_of_a_round_is_held_to_its_length_here() -> None:
    named = {kind for _, kind in in_phases()}
    assert named
    assert named <= set(KINDS.values())


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("schema", KINDS)
def test_random_numbers_of_the_longest_lengths_are_read(schema: str, dtype: str) -> None:
    kind, agreed = KINDS[schema], agreed_on(KINDS[schema])
    agreed = replace(agreed, run=agreed.run.model_copy(update={"wire_dtype": dtype}))
    read = decode(kind, blob_of(kind, agreed), agreed, sender="node 1")
    sent = drawn(kind, agreed, lengths_of(kind, agreed), shaping_of(kind, agreed))
    for name in present(kind, agreed):
        expected: Tensor = getattr(sent, name)
        tolerance = 1e-3 if dtype == "float16" else 0.0
        torch.testing.assert_close(getattr(read, name), expected, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("schema", KINDS)
def test_a_byte_more_or_less_is_refused(schema: str) -> None:
    kind, agreed = KINDS[schema], agreed_on(KINDS[schema])
    blob = blob_of(kind, agreed)
    for spoilt in (blob + b"\0", blob[:-1]):
        with pytest.raises(WireError, match=rf"expected exactly {len(blob)} bytes"):
            decode(kind, spoilt, agreed, sender="node 1")


@pytest.mark.parametrize("schema", KINDS)
def test_an_exact_axis_that_is_longer_or_shorter_is_refused(schema: str) -> None:
    kind, agreed = KINDS[schema], agreed_on(KINDS[schema])
    exact = {a: n for a, n in lengths_of(kind, agreed).items() if a in kind.sizes(agreed).exact}
    for axis, length in exact.items():
        for other in (length + 1, length - 1):
            blob = blob_of(kind, agreed, **{axis: other})
            with pytest.raises(WireError, match=rf"{axis}={length}\b|expected at most \d+ bytes"):
                decode(kind, blob, agreed, sender="node 1")


@pytest.mark.parametrize("schema", KINDS)
def test_more_rows_than_the_bound_are_refused(schema: str) -> None:
    kind, agreed = KINDS[schema], agreed_on(KINDS[schema])
    sizes = kind.sizes(agreed)
    bounded = {a: n for a, n in lengths_of(kind, agreed).items() if a in sizes.at_most}
    assert bounded or sizes.exact
    for axis, most in bounded.items():
        blob = blob_of(kind, agreed, **{axis: most + 1})
        with pytest.raises(WireError, match=rf"{axis}<={most}\b|expected at most \d+ bytes"):
            decode(kind, blob, agreed, sender="node 1")


@pytest.mark.parametrize("schema", KINDS)
def test_the_longest_payload_of_a_tiny_task_is_small(schema: str) -> None:
    kind, agreed = KINDS[schema], agreed_on(KINDS[schema])
    lengths = lengths_of(kind, agreed)
    most = MAX_HEADER_BYTES + sum(
        prod(lengths[axis] for axis in rule.axes) * BYTES[rule.kind]
        for rule in present(kind, agreed).values()
    )
    assert len(blob_of(kind, agreed)) <= most < MOST_BYTES
