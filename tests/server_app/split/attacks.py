"""What an attacker may say to a session, and what it is told."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
import torch

from client_app.split.connection import Connection
from server_app.split.refusals import Reason
from server_app.split.session import SplitSession
from strategies.common.split.wire import split_pb2, survey_parts
from strategies.common.split.wire.frames import Activations, Survey
from strategies.common.split.wire.framing import Framer
from strategies.common.split.wire.protocol import VERSION
from tests.server_app.split.toy_session import Node, Toy

LIMIT = 1 << 20
Up = split_pb2.Up


@dataclass
class Attacker:
    """Someone who speaks to a session byte by byte, as node 0 unless told otherwise."""

    session: SplitSession
    toy: Toy

    def dial(self, token: bytes | None = None, **changes: Any) -> Connection:
        invitation = self.session.invitation(0)
        if token is not None:
            invitation = invitation.model_copy(update={"token": token})
        return Connection(invitation, LIMIT)

    def hello(self, **changes: Any) -> bytes:
        digest = self.toy.spec((0, 1)).digest()
        fields = {"version": VERSION, "node": 0, "cohort": 0, "digest": digest, **changes}
        return Up(hello=split_pb2.Hello(**fields)).SerializeToString()

    def frame(self, change: Callable[[Any], None] = lambda _: None, step: int = 11) -> bytes:
        """Return a good frame of a step, changed before it is written."""
        framer = Framer(self.toy.spec((0, 1)), "attacker")
        tensors = Node(self.toy, 0).frame(step, (0, 1))
        up = Up.FromString(framer.write_activations(Activations(step, tensors)))
        change(up)
        return up.SerializeToString()

    def survey(self) -> bytes:
        part = Survey(0, "bank", torch.zeros(1, 2, 3, 3), torch.tensor([0]))
        return survey_parts.write(part, 1, "attacker")

    def say(self, *frames: bytes, **token: Any) -> str:
        """Send frames after one another on a new stream and return the last word."""
        connection = self.dial(**token)
        try:
            for raw in frames:
                connection.write(raw)
                answer = connection.read()
                if answer is None:
                    return "the end"
                down = split_pb2.Down.FromString(answer)
                if down.HasField("refusal"):
                    assert connection.read() is None
                    return str(down.refusal.reason)
        except grpc.RpcError as error:
            return f"{error.code().name}: {error.details()}"
        finally:
            connection.close()
        return "taken"


def no_token(a: Attacker) -> str:
    return a.say(a.hello(), token=b"")


def unknown_token(a: Attacker) -> str:
    return a.say(a.hello(), token=b"x" * 32)


def expired_token(a: Attacker) -> str:
    clock, a.session.tickets._clock = a.session.tickets._clock, lambda: time.monotonic() + 1e6
    try:
        return a.say(a.hello())
    finally:
        a.session.tickets._clock = clock


def other_nodes_token(a: Attacker) -> str:
    return a.say(a.hello(), token=a.session.invitation(1).token)


def no_hello(a: Attacker) -> str:
    return a.say(a.frame())


def garbage_instead_of_hello(a: Attacker) -> str:
    return a.say(b"\xff\x01garbage" * 20)


def other_version(a: Attacker) -> str:
    return a.say(a.hello(version=VERSION + 1))


def other_digest(a: Attacker) -> str:
    return a.say(a.hello(digest=b"x" * 32))


def no_digest(a: Attacker) -> str:
    return a.say(a.hello(digest=b""))


def other_cohort(a: Attacker) -> str:
    return a.say(a.hello(cohort=7))


def invented_session(a: Attacker) -> str:
    return a.say(a.hello(session=b"x" * 16))


def garbage(a: Attacker) -> str:
    return a.say(a.hello(), b"\x12\x05gar")


def empty_frame(a: Attacker) -> str:
    return a.say(a.hello(), b"")


def second_hello(a: Attacker) -> str:
    return a.say(a.hello(), a.hello())


def survey_in_training(a: Attacker) -> str:
    return a.say(a.hello(), a.survey())


def wrong_shape(a: Attacker) -> str:
    def change(up: Any) -> None:
        up.activations.tensors[0].shape[4] = 4

    return a.say(a.hello(), a.frame(change))


def wrong_codec(a: Attacker) -> str:
    def change(up: Any) -> None:
        up.activations.tensors[0].codec = split_pb2.FLOAT16

    return a.say(a.hello(), a.frame(change))


def wrong_length(a: Attacker) -> str:
    def change(up: Any) -> None:
        up.numbers = up.numbers[:-3]

    return a.say(a.hello(), a.frame(change))


def one_tensor_too_few(a: Attacker) -> str:
    def change(up: Any) -> None:
        del up.activations.tensors[0]

    return a.say(a.hello(), a.frame(change))


def with_number(bits: bytes) -> Callable[[Attacker], str]:
    def attack(a: Attacker) -> str:
        def change(up: Any) -> None:
            up.numbers = bits + up.numbers[4:]

        return a.say(a.hello(), a.frame(change))

    return attack


def label_out_of_range(a: Attacker) -> str:
    def change(up: Any) -> None:
        up.numbers = up.numbers[:-8] + (5).to_bytes(8, "little")

    return a.say(a.hello(), a.frame(change))


def future_step(a: Attacker) -> str:
    return a.say(a.hello(), a.frame(step=12))


def past_step(a: Attacker) -> str:
    return a.say(a.hello(), a.frame(step=10))


AT_THE_DOOR = [
    (no_token, Reason.TOKEN, "UNAUTHENTICATED: expected this session's token"),
    (unknown_token, Reason.TOKEN, "UNAUTHENTICATED: expected this session's token"),
    (expired_token, Reason.EXPIRED, "UNAUTHENTICATED: the token's time is over"),
    (other_nodes_token, Reason.OTHER_NODE, "PERMISSION_DENIED: node 1: expected its own number"),
    (no_hello, Reason.FORM, "node 0: expected a hello first"),
    (garbage_instead_of_hello, Reason.FORM, "node 0: expected a frame, got 180 bytes of no frame"),
    (other_version, Reason.VERSION, "node 0: expected version 1 of the protocol, got 2"),
    (other_digest, Reason.SETTINGS, "node 0, cohort 0: expected the same frames"),
    (no_digest, Reason.SETTINGS, "node 0, cohort 0: expected the same frames"),
    (other_cohort, Reason.LANE, "node 0, cohort 7: expected a cohort with clients"),
    (invented_session, Reason.REPLAYED, "PERMISSION_DENIED: node 0, cohort 0: expected the sess"),
]
INSIDE = [
    (garbage, Reason.FORM, "node 0, cohort 0: expected a frame, got 5 bytes of no frame"),
    (empty_frame, Reason.FORM, "node 0, cohort 0: expected a frame, got 0 bytes"),
    (second_hello, Reason.FORM, "node 0, cohort 0: expected activations, got hello"),
    (survey_in_training, Reason.FORM, "node 0, cohort 0: expected activations, got survey"),
    (wrong_shape, Reason.FORM, "cohort 0, query: expected shape (2, 2, 2, 3, 3), got (2, 2, 2, 3"),
    (wrong_codec, Reason.FORM, "cohort 0, query: expected codec float32, got float16"),
    (wrong_length, Reason.FORM, "cohort 0: expected 320 bytes of numbers, got 317"),
    (one_tensor_too_few, Reason.FORM, "cohort 0: expected 2 tensors, got 1"),
    (with_number(b"\0\0\xc0\x7f"), Reason.FORM, "query: expected finite numbers of at most 100"),
    (with_number(b"\0\0\x80\x7f"), Reason.FORM, "magnitude, got inf"),
    (with_number(b"\0\0\x80\xff"), Reason.FORM, "magnitude, got inf"),
    (with_number(b"\0\0\xc9\x42"), Reason.FORM, "magnitude, got 100.5"),
    (label_out_of_range, Reason.FORM, "labels: expected labels in [0, 5), got 0 to 5"),
    (future_step, Reason.ORDER, "node 0, cohort 0: expected step 11, got step 12"),
    (past_step, Reason.ORDER, "node 0, cohort 0: expected step 11, got step 10"),
]
