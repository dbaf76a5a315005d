"""What a long session leaves behind at the hub: nothing."""

import gc
from contextlib import suppress

import pytest
import torch

from server_app.split.hub import Hub
from server_app.split.lanes import Lane
from strategies.common.split.wire.frames import Activations
from tests.server_app.split.toy_session import (
    Toy,
    activations,
)


def opened(
    toy: Toy, hub: Hub, node: int, cohort: int = 0, session: bytes = b""
) -> tuple[Lane, int]:
    lane = hub.lanes[node, cohort]
    return hub.open((node, cohort), lane.spec.digest(), session)


def frame(lane: Lane, step: int) -> Activations:
    clients = lane.spec.clients
    return Activations(step, activations(torch.ones(len(clients)), step, clients))


# Turns


@pytest.mark.thorough
def test_hundreds_of_steps_leave_nothing_behind() -> None:
    toy = Toy(nodes=2, cohorts=1, steps=400)
    toy.engine.turns = Forgetful()
    toy.engine.finished = Forgetful()
    hub = toy.hub()
    lanes = [opened(toy, hub, node) for node in (0, 1)]

    def play(steps: range) -> int:
        for step in steps:
            for lane, stream in lanes:
                hub.submit(lane, stream, frame(lane, step))
            for lane, stream in lanes:
                hub.answer(lane, stream, step)
        gc.collect()
        return sum(1 for found in gc.get_objects() if type(found) is torch.Tensor)

    play(range(11, 61))
    tensors, objects = play(range(61, 111)), len(gc.get_objects())
    assert play(range(111, 411)) == tensors
    assert len(gc.get_objects()) - objects < 50


class Forgetful(list):  # type: ignore[type-arg]
    def append(self, _: object) -> None:
        with suppress(IndexError):
            self.pop()
