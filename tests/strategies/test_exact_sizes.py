"""Every payload of every method is exactly as long as task and settings say, or refused."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import final

import pytest
import torch
from torch import Tensor

from strategies.common.agreed import Agreed
from strategies.common.errors import WireError
from strategies.common.payload import Payload, Rule, Sizes, rules_of
from strategies.common.task import Foundation, Place, Task
from strategies.common.wire import decode, encode
from strategies.methods import METHODS, exchanges
from tests.strategies.halves import client, run_of, server

TASK = Task(
    num_classes=3,
    channels=1,
    height=8,
    width=8,
    feature_dim=4,
    foundation=Foundation("0" * 64, 2, (Place("a", 4, 4), Place("b", 4, 4))),
)
SMALL: Mapping[str, bool | int | float | str] = {"split.width": 4, "split.cut": 1}
# What may vary from message to message: rows by class, pictures, LoRA's rank, carried clients.
COUNTED = {"present", "pairs", "rank", "clients"}
# Far above what a tiny task needs, far below what hurts.
SANE_BYTES = 16 * 2**20


@final
@dataclass(frozen=True)
class Sent:
    """One payload in one variant of a method."""

    name: str
    kind: type[Payload]
    agreed: Agreed

    @property
    def sizes(self) -> Sizes:
        return self.kind.sizes(self.agreed)

    @property
    def rules(self) -> dict[str, Rule]:
        return {n: r for n, r in rules_of(self.kind).items() if n not in self.sizes.absent}

    def blob(self, **lengths: int) -> bytes:
        """Encode numbers that keep all rules, along axes as long as allowed or as given."""
        lengths = {**self.sizes.exact, **self.sizes.at_most, **lengths}
        values = {
            name: numbers(rule, [lengths[axis] for axis in rule.axes])
            for name, rule in self.rules.items()
        }
        absent: dict[str, Tensor | None] = dict.fromkeys(self.sizes.absent)
        return encode(self.kind(**values, **absent), self.agreed.run.wire_dtype)

    def read(self, blob: bytes) -> Payload:
        return decode(self.kind, blob, self.agreed, sender="a stranger")

    def refused(self, blob: bytes) -> str:
        with pytest.raises(WireError, match=rf"^a stranger: {re.escape(self.kind.schema)}") as told:
            self.read(blob)
        return str(told.value)


def numbers(rule: Rule, shape: list[int]) -> Tensor:
    """Return numbers of a field; two-dimensional ones have rows that are directions."""
    if rule.kind == "float" and len(shape) == 2:
        return torch.eye(shape[1])[torch.arange(shape[0]) % shape[1]]
    if rule.kind == "float":
        return torch.rand(shape, generator=torch.Generator().manual_seed(0))
    ramp = torch.arange(prod(shape)).reshape(shape)
    if rule.is_label:
        return ramp if rule.unique else ramp % TASK.num_classes
    return (ramp + int(rule.low or 0)).to(getattr(torch, rule.kind))


def variants(method: str) -> dict[str, dict[str, bool | int | float | str]]:
    """Return settings of a method by which its payloads differ."""
    plain: dict[str, bool | int | float | str] = dict(SMALL)
    if method == "fedktl":
        return {"": {**plain, "latent_dim": 8}, "images": {"latent_dim": 8, "images_per_class": 3}}
    if method == "mocosfl":
        return {"": plain, "momentum": {**plain, "average_momentum": True}}
    if method == "fedlora":
        return {"": plain, "mean": {**plain, "aggregation": "naive", "ranks": "2,3"}}
    return {"": plain}


def every_payload(wire_dtype: str) -> list[Sent]:
    found: dict[str, Sent] = {}
    for method in METHODS:
        run = run_of(
            method,
            wire_dtype=wire_dtype,
            clients_per_node=2 if exchanges(method) else 1,
        )
        for variant, own in variants(method).items():
            here, there = client(method, TASK, run, **own), server(method, TASK, run, **own)
            for round_number in (1, 2, 3):
                phase = here.phase(round_number)
                assert phase == there.phase(round_number)
                for kind in (phase.up, phase.down):
                    if kind is not None:
                        name = "-".join(filter(None, (method, variant, kind.schema, wire_dtype)))
                        found[name] = Sent(name, kind, here.agreed)
    return list(found.values())


EVERY = every_payload("float32") + every_payload("float16")


def each(payloads: list[Sent]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return pytest.mark.parametrize("sent", payloads, ids=[sent.name for sent in payloads])


def test_every_method_that_sends_anything_is_here() -> None:
    assert {sent.name.split("-")[0] for sent in EVERY} == set(METHODS) - {"local"}


@each(EVERY)
def test_lengths_are_exact_but_for_counts_that_are_bounded(sent: Sent) -> None:
    sizes = sent.sizes
    axes = {axis for rule in sent.rules.values() for axis in rule.axes}
    assert axes <= set(sizes.exact) | set(sizes.at_most)
    assert not set(sizes.exact) & set(sizes.at_most)
    assert set(sizes.at_most) <= COUNTED
    assert all(length > 0 for length in (*sizes.exact.values(), *sizes.at_most.values()))


@each(EVERY)
def test_the_longest_payload_is_read_and_a_byte_more_or_less_is_refused(sent: Sent) -> None:
    blob = sent.blob()
    read = sent.read(blob)
    assert all(getattr(read, name) is not None for name in sent.rules)
    assert all(getattr(read, name) is None for name in sent.sizes.absent)
    sent.refused(blob + b"\0")
    sent.refused(blob[:-1])


@each(EVERY)
@pytest.mark.parametrize("change", [-1, 1])
def test_an_exact_axis_of_another_length_is_refused(sent: Sent, change: int) -> None:
    for axis, length in sent.sizes.exact.items():
        told = sent.refused(sent.blob(**{axis: length + change}))
        assert "expected" in told
        assert f"{axis}={length}" in told or "bytes" in told


BOUNDED = [sent for sent in EVERY if sent.sizes.at_most]


@each(BOUNDED)
def test_rows_beyond_the_bound_are_refused(sent: Sent) -> None:
    for axis, most in sent.sizes.at_most.items():
        told = sent.refused(sent.blob(**{axis: most + 1}))
        assert f"{axis}<={most}" in told or "bytes" in told


@each(EVERY)
def test_no_payload_of_a_tiny_task_may_be_long(sent: Sent) -> None:
    told = sent.refused(bytes(SANE_BYTES + 1))
    (most,) = re.findall(r"expected at most (\d+) bytes", told)
    assert len(sent.blob()) <= int(most) <= SANE_BYTES
    # The bound is that of the longest payload and of a header, no more.
    assert int(most) - len(sent.blob()) <= 4096 + 8
