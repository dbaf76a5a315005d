"""Federations small enough for many to be played, and what became of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from flwr.app import Error, Message

from tests.loopback import Federation

Line = dict[str, Any]
Play = Callable[..., Federation]

_SMALL = {
    "method": "local",
    "models": "cnn",
    "data": "digits",
    "partition": "iid",
    "max-samples": 40,
    "feature-dim": 16,
    "learning-rate": 0.1,
    "rounds": 2,
}


def player(folder: Path) -> Play:
    """Return what builds small federations, in a folder of its own for each name."""

    def build(
        num_clients: int = 2, name: str = "here", *, report: bool = False, **overrides: Any
    ) -> Federation:
        named = {key.replace("_", "-"): value for key, value in overrides.items()}
        return Federation(folder / name, num_clients, {**_SMALL, **named}, report)

    return build


def round_of(reply: Message) -> int:
    return int(reply.metadata.group_id or 0)


def is_training(reply: Message, round_number: int) -> bool:
    return reply.metadata.message_type == "train" and round_of(reply) == round_number


def failing(message: Message, code: int = 5, reason: str = "") -> Message:
    """Turn a reply into the failure that Flower would report in its own name."""
    message.metadata.__dict__["_src_node_id"] = 1
    failed = Message(Error(code, reason), reply_to=message)
    failed.metadata.__dict__["_reply_to_message_id"] = message.metadata.reply_to_message_id
    return failed


def sent(federation: Federation, kind: str) -> list[tuple[int, int]]:
    """Return (round, node) of every message of a kind."""
    return [
        (int(message.metadata.group_id), message.metadata.dst_node_id)
        for message in federation.grid.sent
        if message.metadata.message_type == kind
    ]


def trained(line: Line) -> list[int]:
    return [int(p) for p, node in line["nodes"].items() if node.get("took_part")]


def only_tested(line: Line) -> list[int]:
    return [int(p) for p, node in line["nodes"].items() if node.get("took_part") is False]


def continued(line: Line) -> dict[str, int]:
    return {p: node["continued_from"] for p, node in line["nodes"].items() if "accuracy" in node}
