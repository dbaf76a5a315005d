"""A guard at both doors: what leaves devices, and what a server half is to average."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, final
from unittest.mock import patch

import pytest
import torch
from federations.tiny_federations import tiny
from loopback import Federation
from torch import Tensor

from strategies.common.errors import ModelError
from strategies.common.guard import AnyPayload, Guard
from strategies.common.payload import rules_of
from strategies.common.round import Aggregated, Reply
from strategies.fedproto.server import FedProtoServer

pytestmark = pytest.mark.federation


@final
@dataclass
class Doubling(Guard):
    """Doubles what is told to be statistics, and records what crosses.

    Attributes
    ----------
    before : list[Tensor]
        Rows as client halves made them.
    arrivals : list[list[int]]
        Partitions whose replies arrived, by round.
    received : list[Tensor]
        Rows as they arrived.
    noise : list[float]
        A number drawn on every device in every round.
    """

    before: list[Tensor] = field(default_factory=list)
    arrivals: list[list[int]] = field(default_factory=list)
    received: list[Tensor] = field(default_factory=list)
    noise: list[float] = field(default_factory=list)

    def leaving(self, payload: AnyPayload, randomness: torch.Generator) -> AnyPayload:
        """Double the statistics."""
        self.noise.append(float(torch.rand(1, generator=randomness)))
        named = [n for n, rule in rules_of(type(payload)).items() if rule.means == "statistics"]
        self.before += [getattr(payload, name).clone() for name in named]
        return replace(payload, **{name: 2 * getattr(payload, name) for name in named})

    def arrived(self, replies: Sequence[Reply[Any]]) -> Sequence[Reply[Any]]:
        """Record the replies and drop that of the last client."""
        self.arrivals.append([reply.partition for reply in replies])
        self.received += [reply.uplink.rows.clone() for reply in replies]
        return replies[:-1]


def test_a_guard_is_seen_on_both_sides(tmp_path: Path) -> None:
    guard = Doubling()
    averaged: list[list[int]] = []
    aggregate = FedProtoServer.aggregate

    def watching(
        self: FedProtoServer, state: Any, round_number: int, replies: Sequence[Reply[Any]]
    ) -> Aggregated:
        averaged.append([reply.partition for reply in replies])
        return aggregate(self, state, round_number, replies)

    with (
        patch("client_app.main.guard_of", return_value=guard),
        patch("server_app.rounds.guard_of", return_value=guard),
        patch.object(FedProtoServer, "aggregate", watching),
    ):
        run = tiny(tmp_path, "fedproto")
        run.play()

    assert guard.arrivals == [[0, 1, 2], [0, 1, 2]]
    assert averaged == [[0, 1], [0, 1]]
    assert len(set(guard.noise)) == 6
    assert len(guard.before) == len(guard.received) == 6
    for made, arrived in zip(guard.before, guard.received, strict=True):
        assert made.abs().sum() > 0
        torch.testing.assert_close(arrived, 2 * made)


def test_models_of_unlike_widths_are_refused_before_the_first_round(
    tmp_path: Path, played: Callable[..., Federation]
) -> None:
    # With a width of its own for every model there is nothing to compare class means in.
    run = tiny(tmp_path, "fedproto", feature_dim=0)
    with pytest.raises(ModelError, match=r"features of one width.*set feature-dim"):
        run.play()
    assert {sent.metadata.message_type for sent in run.grid.sent} == {"query"}
    assert played("fedproto").lines()
