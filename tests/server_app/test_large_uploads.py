"""An upload far larger than the others costs its sender the round, and nobody else a digit."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flwr.app import Message

from benchmarks.hostile_attacks import Everything, with_upload
from tests.loopback import without_clocks
from tests.server_app.small_federation import Line, failing, player, trained

pytestmark = pytest.mark.federation

HOSTILE = 103


def honest(lines: list[Line]) -> list[Line]:
    """Return what lines tell of all but the hostile client."""
    told = without_clocks(lines)
    return [{p: node for p, node in line["nodes"].items() if p != "3"} for line in told]


def test_it_is_named_once_a_round_and_the_run_goes_on_without_it_and_with_it(
    tmp_path: Path,
) -> None:
    def by(change: Callable[[Message], Message]) -> Callable[[int, Message], Message]:
        def tamper(node: int, reply: Message) -> Message:
            hostile = node == HOSTILE and reply.metadata.message_type == "train"
            return change(reply) if hostile else reply

        return tamper

    def spoilt(reply: Message) -> Message:
        reply.content = with_upload(reply.content, Everything["1e10"], {})
        return reply

    play = player(tmp_path)
    attacked, without = (play(4, name, method="fedproto") for name in ("a", "b"))
    attacked.grid.tamper, without.grid.tamper = by(spoilt), by(failing)
    lines = attacked.play()
    for line in lines:
        assert trained(line) == [0, 1, 2]
        told = line["nodes"]["3"]["failure"]
        assert told.startswith("client 3 (cnn): fedproto.prototypes.rows: expected ")
        assert told.endswith("it takes no part in this round")
        assert not any("client 3" in note for note in line["notes"])
    assert honest(lines) == honest(without.play())
    resumed = play(4, "a", method="fedproto", rounds=3, resume=True).play()
    assert trained(resumed[-1]) == [0, 1, 2, 3]
