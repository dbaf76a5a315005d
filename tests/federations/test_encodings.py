"""What goes to all clients is packed once a round, however many are asked and however often."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from federations.split_federation import ADAPTING, EXCHANGING
from federations.tiny_federations import tiny
from flwr.app import Message
from loopback import Federation

from strategies.common.transport.envelope import read_blob
from strategies.methods import METHODS, client_class
from tests.server_app.small_federation import failing, is_training
from tests.strategies import halves

pytestmark = pytest.mark.federation

PERSONAL = ["fd", "fedkd"]
# To each architecture the mean of its own models, packed once for all that have it.
GROUPED = [name for name in METHODS if client_class(name).wire.follows_model]
SENDING = [name for name in METHODS if client_class(name).wire.down]
BROADCASTING = [name for name in SENDING if name not in (*PERSONAL, *GROUPED)]
OF_MESSAGES = [n for n in BROADCASTING if n not in (*ADAPTING, *EXCHANGING)]
CLIENTS = 4
Played = Callable[..., Federation]


def carried(run: Federation, method: str) -> list[Message]:
    """Return the messages that carried a downlink payload."""
    return [message for message in run.grid.sent if schema(method) in message.content]


def schema(method: str) -> str:
    down = client_class(method).wire.down
    assert down is not None
    return down.schema


def test_the_methods_are_sorted_by_what_they_send() -> None:
    assert set(BROADCASTING) | set(PERSONAL) | set(GROUPED) | {"local"} == set(METHODS)
    assert set(GROUPED) == {"fedavg", "feddf", "fedgen"}


def state_of(message: Message, method: str) -> tuple[str, str]:
    """Return the round, and the phase if its state is another object than in the others."""
    is_one = method in OF_MESSAGES and not halves.client(method).testing().is_later
    return message.metadata.group_id, "" if is_one else message.metadata.message_type


@pytest.mark.quick("fedproto", "splitfed", "feddat")
@pytest.mark.parametrize("method", BROADCASTING)
def test_a_broadcast_is_encoded_once_a_round_and_the_same_for_all(
    played: Played, method: str
) -> None:
    run = played(method)
    told = carried(run, method)
    states = {state_of(message, method) for message in told}
    assert states
    assert len(told) == run.num_clients * len(states)
    wire = client_class(method).wire
    # Where one payload goes both ways, what clients sent is counted with it.
    sent = 2 * run.num_clients if wire.up is wire.down else 0
    assert run.encoded[schema(method)] == len(states) + sent
    for state in states:
        own = [message for message in told if state_of(message, method) == state]
        assert len({read_blob(m.content, schema(method), "test") for m in own}) == 1


@pytest.mark.parametrize("method", GROUPED)
def test_what_goes_to_one_architecture_is_encoded_once_a_round(played: Played, method: str) -> None:
    run = played(method)
    told = carried(run, method)
    # Tested in both rounds with what the round came to, trained from it in the second.
    rounds = {(m.metadata.group_id, m.metadata.message_type) for m in told}
    assert rounds == {("1", "evaluate"), ("2", "train"), ("2", "evaluate")}
    # Clients 0 and 2 have one architecture, client 1 another.
    assert run.encoded[schema(method)] == 2 * len(rounds)
    for one in rounds:
        sent = {
            m.metadata.dst_node_id: read_blob(m.content, schema(method), "test")
            for m in told
            if (m.metadata.group_id, m.metadata.message_type) == one
        }
        assert sent[100] == sent[102] != sent[101]


@pytest.mark.parametrize("method", PERSONAL)
def test_what_is_for_one_client_is_encoded_for_each(played: Played, method: str) -> None:
    run = played(method)
    assert len(carried(run, method)) == run.num_clients
    assert run.encoded[schema(method)] == run.num_clients


def once_in(round_number: int) -> Callable[[int, Message], Message]:
    """Let two nodes fail when they are first asked in a round."""
    due = {102, 103}

    def tamper(node: int, reply: Message) -> Message:
        if node in due and is_training(reply, round_number):
            due.remove(node)
            return failing(reply)
        return reply

    return tamper


# What is packed again, and when, is the core's: one method shows it, whose clients test at once.
@pytest.mark.parametrize("method", ["fedproto"])
def test_a_second_try_sends_what_is_packed_already(tmp_path: Path, method: str) -> None:
    by_head = {"fedproto__inference": "head"}
    run = tiny(tmp_path, method, nodes=CLIENTS, rounds=3, min_replies=CLIENTS, **by_head)
    run.grid.tamper = once_in(2)
    run.play()
    asked = Counter(message.metadata.group_id for message in carried(run, method))
    assert asked == {"2": CLIENTS + 2, "3": CLIENTS}
    assert run.encoded[schema(method)] == 2


@pytest.mark.parametrize("method", ["fedproto"])
def test_idle_clients_are_tested_on_what_is_packed_already(tmp_path: Path, method: str) -> None:
    often = {"participation": 0.5, "evaluate_every": 1, "fedproto__inference": "head"}
    run = tiny(tmp_path, method, nodes=CLIENTS, rounds=3, **often)
    run.play()
    told = [message.metadata for message in carried(run, method)]
    asked = Counter((metadata.group_id, metadata.message_type) for metadata in told)
    assert asked == {(r, kind): 2 for r in ("2", "3") for kind in ("train", "evaluate")}
    assert run.encoded[schema(method)] == 2


@pytest.mark.quick("fedproto", "splitfed", "feddat")
@pytest.mark.parametrize("method", [name for name in METHODS if client_class(name).wire.up])
def test_every_upload_is_encoded_once(played: Played, method: str) -> None:
    run = played(method)
    up, down = client_class(method).wire.up, client_class(method).wire.down
    assert up is not None
    told = {state_of(message, method) for message in carried(run, method)} if up is down else ()
    assert run.encoded[up.schema] == 2 * run.num_clients + len(told)
