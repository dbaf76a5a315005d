"""Which samples are held out, and what moves none of them."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.common.errors import DataError
from strategies.common.held_out import held_out
from tests.strategies.fake_device import FakeDevice, blobs
from tests.strategies.halves import run_of


def device_of(count: int, *, noise: int = 0, seed: int = 0, partition: int = 0) -> FakeDevice:
    x, y = blobs(count, [0], seed=noise)
    return FakeDevice(x, y, x, y, 1, 5, run_of("fedl2g", seed=seed), partition=partition)


def held(device: FakeDevice, most: int) -> set[bytes]:
    _, rows = held_out(device, most)
    return {device.inputs[row].numpy().tobytes() for row in rows}


@settings(max_examples=50, deadline=None)
@given(count=st.integers(4, 40), most=st.integers(1, 40))
def test_every_sample_is_on_one_side_and_half_are_learnt_from(count: int, most: int) -> None:
    learnt, out = held_out(device_of(count), most)
    assert sorted([*learnt.tolist(), *out.tolist()]) == list(range(count))
    assert len(out) == min(most, count // 2)
    for rows in (learnt, out):
        assert rows.tolist() == sorted(rows.tolist())


@settings(max_examples=50, deadline=None)
@given(added=st.integers(1, 20), most=st.integers(1, 8))
def test_added_samples_hold_out_none_that_was_learnt_from(added: int, most: int) -> None:
    before, new = device_of(16), device_of(added, noise=1)
    inputs, labels = torch.cat([new.inputs, before.inputs]), torch.cat([new.labels, before.labels])
    after = replace(before, inputs=inputs, labels=labels)
    theirs = {one.numpy().tobytes() for one in new.inputs}
    assert held(after, most) <= held(before, most) | theirs


def test_what_is_held_out_follows_from_seed_and_client() -> None:
    kept = held(device_of(40), 10)
    assert held(device_of(40), 10) == kept
    assert held(device_of(40, seed=1), 10) != kept
    assert held(device_of(40, partition=1), 10) != kept


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(DataError, match=r"^fedl2g: expected at least 4 .* set min-train-samples=4"):
        held_out(device_of(3), 1)
