"""What a guard does to the uploads of every method is what arrives, and no more."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar, final
from unittest.mock import patch

import pytest
import torch
from federations.split_federation import ADAPTING, server_state
from federations.tiny_federations import STAND_INS, tiny
from loopback import Federation, without_clocks

from server_app.checkpoints import Checkpoints
from server_app.half import first_state, open_settings, server_half
from strategies.common.architecture import Architecture
from strategies.common.errors import FederationError
from strategies.common.guard import Guard, NoGuard
from strategies.common.magnitudes import too_large
from strategies.common.payload import Payload, rules_of
from strategies.common.round import Reply
from strategies.common.transport.control import Description, Report
from strategies.common.transport.envelope import read_control_record, read_payload
from strategies.methods import METHODS, client_class
from tests.answering import standing_in

pytestmark = pytest.mark.federation

AnyPayload = TypeVar("AnyPayload", bound=Payload)
DOORS = (
    "client_app.main.guard_of",
    "server_app.rounds.guard_of",
    "server_app.split_rounds.guard_of",
)
UPLOADING = [name for name in METHODS if client_class(name).wire.up]
# Rows that are distributions or directions are none when halved.
HALVED = [name for name in UPLOADING if name not in ("fd", "dsfl", "fedktl")]


def scaled(payload: AnyPayload, factor: float) -> AnyPayload:
    """Scale whatever numbers a guard may touch."""
    touched = {
        name: factor * getattr(payload, name)
        for name, rule in rules_of(type(payload)).items()
        if rule.means and getattr(payload, name) is not None
    }
    return replace(payload, **touched)


@final
@dataclass
class Scaling(Guard):
    """Scales what leaves and what arrives, and remembers both as they were."""

    at_device: float = 1.0
    at_server: float = 1.0
    made: list[Payload] = field(default_factory=list)
    came: list[list[Reply[Any]]] = field(default_factory=list)
    drawn: list[float] = field(default_factory=list)

    def leaving(self, payload: AnyPayload, randomness: torch.Generator) -> AnyPayload:
        self.made.append(payload)
        self.drawn.append(torch.rand((), generator=randomness).item())
        return scaled(payload, self.at_device)

    def arrived(self, replies: Sequence[Reply[Any]]) -> Sequence[Reply[Any]]:
        self.came.append(list(replies))
        return [replace(reply, uplink=scaled(reply.uplink, self.at_server)) for reply in replies]


@contextmanager
def guarded(guard: Guard, method: str) -> Iterator[None]:
    """Put a guard in all doors of an app in this process."""
    with standing_in(STAND_INS if method in ADAPTING else {}):
        patches = [patch(door, return_value=guard) for door in DOORS]
        for one in patches:
            one.start()
        try:
            yield
        finally:
            for one in patches:
                one.stop()


def play(folder: Path, method: str, guard: Guard, **overrides: Any) -> Federation:
    run = tiny(folder, method, **{"rounds": 1, **overrides})
    with guarded(guard, method):
        run.play()
    return run


@pytest.mark.parametrize("method", HALVED)
def test_what_a_guard_does_to_an_upload_is_what_arrives(tmp_path: Path, method: str) -> None:
    guard = Scaling(at_device=0.5)
    play(tmp_path, method, guard)
    (replies,) = guard.came
    assert len(replies) == len(guard.made) >= 2
    assert [reply.partition for reply in replies] == sorted(r.partition for r in replies)
    for reply in replies:
        assert any(same(reply.uplink, scaled(made, 0.5)) for made in guard.made)
        assert not any(same(reply.uplink, made) for made in guard.made)


def same(one: Payload, other: Payload) -> bool:
    """Tell whether two payloads are equal, up to what their schemas know as absent."""
    pairs = [(getattr(one, name), getattr(other, name)) for name in rules_of(type(one))]
    return type(one) is type(other) and all(
        (a is None) is (b is None) and (a is None or torch.equal(a, b.cpu())) for a, b in pairs
    )


@pytest.mark.parametrize(
    ("at_device", "at_server", "expected"), [(0.5, 1.0, 0.5), (1.0, 0.5, 0.5), (0.5, 0.5, 0.25)]
)
def test_the_server_aggregates_what_a_guard_let_through(
    tmp_path: Path, at_device: float, at_server: float, expected: float
) -> None:
    plain = server_state(play(tmp_path / "plain", "fedproto", NoGuard()))
    seen = server_state(play(tmp_path / "seen", "fedproto", Scaling(at_device, at_server)))
    assert plain["rows"].abs().max() > 0
    # Halves are exact, whatever is added up.
    assert torch.equal(seen["rows"], expected * plain["rows"])
    assert torch.equal(seen["labels"], plain["labels"])


@pytest.mark.parametrize("method", ["fd", "dsfl", "fedktl"])
def test_a_guard_cannot_get_around_what_a_payload_must_be(tmp_path: Path, method: str) -> None:
    with pytest.raises(FederationError, match=rf"{method}\..*rows: expected"):
        play(tmp_path, method, Scaling(at_device=0.5))


@pytest.mark.parametrize("method", UPLOADING)
@pytest.mark.quick("fd", "fedktl", "fedlora", "splitfed")
def test_the_same_seed_gives_the_same_journal_with_a_guard_that_changes_nothing(
    tmp_path: Path, method: str, played: Callable[..., Federation]
) -> None:
    seen = play(tmp_path, method, Scaling(), rounds=2).lines()
    assert without_clocks(seen) == without_clocks(played(method).lines())


def test_guards_draw_per_client_and_round_and_the_same_again(tmp_path: Path) -> None:
    guards = [Scaling(), Scaling(), Scaling()]
    for number, (guard, seed) in enumerate(zip(guards, (0, 0, 1), strict=True)):
        play(tmp_path / str(number), "fedproto", guard, rounds=2, seed=seed)
    first, again, other = (guard.drawn for guard in guards)
    assert len(set(first)) == len(first) == 6
    assert again == first
    assert not set(other) & set(first)


def first_uploads(run: Federation) -> tuple[Any, Any, dict[int, Reply[Any]]]:
    """Return a server half, its state before the first round, and what it then got."""
    settings = open_settings(run.config)
    half = server_half(settings, run.config)
    task = Checkpoints(run.run_folder / "checkpoints").after(1, last=2).task
    state = first_state(half, settings, task)
    found: dict[int, Reply[Any]] = {}
    holds: dict[int, Architecture] = {}
    for message in run.grid.arrived:
        client = message.metadata.src_node_id - 100
        if message.metadata.message_type == "query":
            told = read_control_record(message.content, Description, sender="a client")
            holds[client] = told.holds
        if (message.metadata.message_type, message.metadata.group_id) == ("train", "1"):
            agreed = replace(half.agreed, architecture=holds[client])
            uplink = read_payload(
                message.content, Report, half.phase(1).up, agreed, sender="a client"
            )
            assert uplink is not None
            found[client] = Reply(0, 30, uplink, holds[client])
    return half, state, found


@pytest.mark.parametrize("method", HALVED)
def test_an_upload_that_drowns_the_others_is_named_and_no_honest_one_is(
    method: str, played: Callable[..., Federation]
) -> None:
    half, state, sent = first_uploads(played(method))
    # Some federations have two nodes, too few to tell: their uploads count twice.
    honest = {**sent, **{10 + p: reply for p, reply in sent.items()}}

    def named(replies: dict[int, Reply[Any]]) -> list[int]:
        sizes = {p: half.magnitudes(state, reply) for p, reply in replies.items()}
        return list(too_large(sizes, {p: reply.samples for p, reply in replies.items()}))

    assert named(honest) == []
    # What honest clients with unlike features send lies so far apart that ten times one may be
    # another's, and of gradients of guidance a hundred times.
    least = {"fedl2g": 1e3, "lgfedavg": 100.0}.get(method, 10.0)
    for factor in (f for f in (-10.0, -100.0, 100.0, 1e3, 1e6, 1e20, 1e30) if abs(f) >= least):
        for reply in sent.values():
            spoilt = replace(reply, uplink=scaled(reply.uplink, factor))
            assert named({**honest, 99: spoilt}) == [99], factor


@pytest.mark.parametrize("method", METHODS)
def test_nobody_is_refused_in_an_honest_federation(
    method: str, played: Callable[..., Federation]
) -> None:
    for line in played(method).lines():
        assert not [node for node in line["nodes"].values() if "failure" in node]
