"""What goes to all clients is packed once a round, however many are asked and however often."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from federations.split_federation import ADAPTING, EXCHANGING
from federations.tiny_federations import STAND_INS, tiny
from flwr.app import Message
from loopback import Federation

from strategies import methods
from strategies.common.payload import Payload
from strategies.common.transport import envelope
from strategies.common.transport.envelope import read_blob
from strategies.methods import METHODS, client_class
from tests.answering import standing_in
from tests.server_app.small_federation import failing, is_training

pytestmark = pytest.mark.federation

PERSONAL = ["fd"]
BROADCASTING = [name for name in METHODS if client_class(name).wire.down and name not in PERSONAL]
OF_MESSAGES = [n for n in BROADCASTING if n not in (*ADAPTING, *EXCHANGING)]
CLIENTS = 4


@contextmanager
def counting() -> Iterator[Counter[str]]:
    """Count encodings by schema, of server and clients, which share this process."""
    counts: Counter[str] = Counter()
    encode = envelope.encode

    def counted(payload: Payload, wire_dtype: str) -> bytes:
        counts[payload.schema] += 1
        return encode(payload, wire_dtype)

    with patch.object(envelope, "encode", counted):
        yield counts


def play(run: Federation, method: str) -> tuple[Counter[str], list[Message]]:
    """Return encodings by schema, and the messages that carried a downlink payload."""
    with standing_in(STAND_INS if method in ADAPTING else {}), counting() as counts:
        run.play()
    return counts, [m for m in run.grid.sent if schema(method) in m.content]


def schema(method: str) -> str:
    down = client_class(method).wire.down
    assert down is not None
    return down.schema


def federation(folder: Path, method: str, **overrides: Any) -> Federation:
    return tiny(folder, method, nodes=CLIENTS, **{"rounds": 3, **overrides})


def test_the_methods_are_sorted_by_what_they_send() -> None:
    assert set(BROADCASTING) | set(PERSONAL) | {"local"} == set(METHODS)


@pytest.mark.parametrize("method", BROADCASTING)
def test_a_broadcast_is_encoded_once_a_round_and_the_same_for_all(
    tmp_path: Path, method: str
) -> None:
    counts, carried = play(federation(tmp_path, method), method)
    # What is tested after aggregation is another state, and so another object.
    per_state = {
        (m.metadata.group_id, method in OF_MESSAGES or m.metadata.message_type) for m in carried
    }
    assert len(per_state) >= 2
    assert len(carried) == CLIENTS * len(per_state)
    assert counts[schema(method)] == len(per_state)
    for group in per_state:
        blobs = {
            read_blob(m.content, schema(method), "test")
            for m in carried
            if (m.metadata.group_id, method in OF_MESSAGES or m.metadata.message_type) == group
        }
        assert len(blobs) == 1


@pytest.mark.parametrize("method", PERSONAL)
def test_what_is_for_one_client_is_encoded_for_each(tmp_path: Path, method: str) -> None:
    counts, carried = play(federation(tmp_path, method), method)
    assert len(carried) == 2 * CLIENTS
    assert counts[schema(method)] == 2 * CLIENTS


def once_in(round_number: int) -> Callable[[int, Message], Message]:
    """Let two nodes fail when they are first asked in a round."""
    due = {102, 103}

    def tamper(node: int, reply: Message) -> Message:
        if node in due and is_training(reply, round_number):
            due.remove(node)
            return failing(reply)
        return reply

    return tamper


@pytest.mark.parametrize("method", OF_MESSAGES)
def test_a_second_try_sends_what_is_packed_already(tmp_path: Path, method: str) -> None:
    run = federation(tmp_path, method, min_replies=CLIENTS)
    run.grid.tamper = once_in(2)
    counts, carried = play(run, method)
    asked = Counter(m.metadata.group_id for m in carried)
    assert asked == {"2": CLIENTS + 2, "3": CLIENTS}
    assert counts[schema(method)] == 2


@pytest.mark.parametrize("method", OF_MESSAGES)
def test_idle_clients_are_tested_on_what_is_packed_already(tmp_path: Path, method: str) -> None:
    run = federation(tmp_path, method, participation=0.5, evaluate_every=1)
    counts, carried = play(run, method)
    asked = Counter((m.metadata.group_id, m.metadata.message_type) for m in carried)
    assert asked == {(r, kind): 2 for r in ("2", "3") for kind in ("train", "evaluate")}
    assert counts[schema(method)] == 2


@pytest.mark.parametrize("method", [name for name in METHODS if client_class(name).wire.up])
def test_every_upload_is_encoded_once(tmp_path: Path, method: str) -> None:
    run = federation(tmp_path, method, rounds=1)
    counts, _ = play(run, method)
    up = methods.client_class(method).wire.up
    assert up is not None
    assert counts[up.schema] == CLIENTS
