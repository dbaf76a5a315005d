"""Hostile clients in a federation of honest ones: what the honest ones lose.

Five honest clients learn beside one hostile client, whose upload is honest but for what the attack
makes of it, in one round or in every round. The same federation is played with the sixth client
honest but absent from the averages, which is what a refused client is. Printed are the honest
clients' mean accuracy with and without the attack, how many test samples they differ by, and in
how many rounds the sender was named.

Run with ``python -m benchmarks.hostile_clients [--methods fedproto ...] [--attacks x1e3 ...]``.
"""

import argparse
import json
import struct
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import safetensors.torch
import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict
from rich.console import Console
from torch import Tensor

from strategies.common.errors import NectarError
from tests.answering import standing_in
from tests.loopback import Federation

HONEST: Final = 5
_VILLAIN: Final = 100 + HONEST
_ROUNDS: Final = 4
Settings = Mapping[str, bool | int | float | str]

# What devices of methods with adapters would load.
_STAND_INS: Final = {
    "client_app.backbones.loading.load": "tests.strategies.tiny_backbone:TinyBackbone"
}
_MESSAGES: Final[Settings] = {
    "models": "cnn",
    "data": "digits",
    "partition": "iid",
    "max-samples": 120,
    "feature-dim": 32,
    "learning-rate": 0.05,
    "local-epochs": 2,
    "fedktl.server-epochs": 20,
}
_ADAPTERS: Final[Settings] = {
    "data": "digitgrid:function",
    "max-samples": 80,
    "evaluate-every": 1,
    "batch-size": 8,
    "adapters.rank": 2,
    "adapters.learning-rate": 0.01,
    "fedlora.ranks": "2,3",
}
_SPLIT: Final[Settings] = {
    "data": "digits",
    "partition": "iid",
    "max-samples": 80,
    "batch-size": 8,
    "learning-rate": 0.05,
    "evaluate-every": 1,
    "split.width": 4,
    "split.profile": False,
    "splitfed.steps-per-round": 5,
    "mocosfl.batch": 8,
    "mocosfl.steps-per-round": 3,
    "mocosfl.memory-size": 64,
    "mocosfl.projection-hidden": 16,
    "mocosfl.projection-dim": 16,
    "mocosfl.probe-epochs": 5,
    "mocosfl.semi-supervised": False,
}
_SETTINGS: Final[Mapping[str, Settings]] = {
    **dict.fromkeys(("fedproto", "fd", "fedktl"), _MESSAGES),
    **dict.fromkeys(("fedadapter", "feddat", "fedlora"), _ADAPTERS),
    **dict.fromkeys(("splitfed", "mocosfl"), _SPLIT),
}

Change = Callable[[Tensor], Tensor]
Report = Mapping[str, Any]


def _filled(value: float) -> Change:
    return lambda tensor: torch.full_like(tensor, value)


def _times(factor: float) -> Change:
    return lambda tensor: tensor * factor


PAYLOADS: Final[Mapping[str, Change]] = {
    "x-10": _times(-10.0),
    "x100": _times(100.0),
    "x-100": _times(-100.0),
    "1e3": _filled(1e3),
    "1e6": _filled(1e6),
    "1e10": _filled(1e10),
    "1e20": _filled(1e20),
    "1e30": _filled(1e30),
    "3e38": _filled(3e38),
    "-3e38": _filled(-3e38),
}
REPORTS: Final[Mapping[str, Report]] = {
    "samples 2**62": {"train_samples": 2**62},
    "samples 1e8": {"train_samples": 10**8},
    "all right": {"test_samples": 2**62, "correct": float(2**62)},
    "loss 1e308": {"loss": 1e308},
    "seconds 1e308": {"train_s": 1e308},
    "escapes": {"notes": ["\x1b[2J" * 2000]},
}


def with_report(content: RecordDict, changes: Report) -> RecordDict:
    """Return a reply that tells something else."""
    told = content.config_records["report"]
    return RecordDict({**content, "report": ConfigRecord({**told, **changes})})


def attacked(content: RecordDict, attack: str) -> RecordDict:
    """Return a reply with its floating-point tensors, or its report, changed."""
    if attack in REPORTS:
        return with_report(content, REPORTS[attack])
    changed = dict(content)
    for schema, record in content.items():
        if isinstance(record, ArrayRecord):
            blob = bytes(record["blob"].data)
            stamp = safetensors_stamp(blob)
            tensors = {
                name: PAYLOADS[attack](value) if value.is_floating_point() else value
                for name, value in safetensors.torch.load(blob).items()
            }
            spoilt = safetensors.torch.save(tensors, metadata=stamp)
            array = Array("uint8", (len(spoilt),), "nectar.safetensors", spoilt)
            changed[schema] = ArrayRecord({"blob": array})
    return RecordDict(changed)


def safetensors_stamp(blob: bytes) -> dict[str, str]:
    """Return the metadata of a blob."""
    (length,) = struct.unpack("<Q", blob[:8])
    stamp: dict[str, str] = json.loads(blob[8 : 8 + length])["__metadata__"]
    return stamp


def play(folder: Path, method: str, attack: str, rounds: range) -> list[dict[str, Any]]:
    """Play a federation whose last client attacks in some rounds; ``""`` is refused in all."""
    settings = {**_SETTINGS[method], "method": method, "rounds": _ROUNDS, "min-nodes": HONEST}
    federation = Federation(folder, HONEST + 1, settings)

    def tamper(node_id: int, reply: Message) -> Message:
        trains = reply.metadata.message_type == "train" and not reply.has_error()
        if node_id == _VILLAIN and trains and int(reply.metadata.group_id) in rounds:
            if attack:
                reply.content = attacked(reply.content, attack)
            else:
                reply.content = with_report(reply.content, {"loss": float("nan")})
        return reply

    federation.grid.tamper = tamper
    with standing_in(_STAND_INS):
        return federation.play()


def honest_accuracy(lines: list[dict[str, Any]]) -> tuple[float, int]:
    """Return the honest clients' mean accuracy in the last round, and their test samples."""
    nodes = [lines[-1]["nodes"][str(p)] for p in range(HONEST)]
    told = [node for node in nodes if node.get("accuracy") is not None]
    samples = sum(node["test_samples"] for node in told)
    return sum(node["accuracy"] * node["test_samples"] for node in told) / samples, samples


def main() -> int:
    """Play all attacks and print what they came to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", nargs="+", default=[*_SETTINGS], choices=[*_SETTINGS])
    parser.add_argument("--attacks", nargs="+", default=[*PAYLOADS, *REPORTS])
    parser.add_argument("--once", action="store_true", help="attack in round 2 alone")
    options = parser.parse_args()
    rounds = range(2, 3) if options.once else range(1, _ROUNDS + 1)
    console = Console(width=120)
    console.print("method, attack: without / with, test samples apart, named in rounds")
    for method in options.methods:
        with tempfile.TemporaryDirectory() as folder:
            without, samples = honest_accuracy(play(Path(folder) / "none", method, "", rounds))
            for number, attack in enumerate(options.attacks):
                try:
                    lines = play(Path(folder) / str(number), method, attack, rounds)
                except NectarError as error:
                    console.print(f"{method}, {attack}: {without:.3f} / the run ended: {error}")
                    continue
                found, _ = honest_accuracy(lines)
                named = sum("failure" in line["nodes"].get(str(HONEST), {}) for line in lines)
                console.print(
                    f"{method}, {attack}: {without:.3f} / {found:.3f}, "
                    f"{abs(found - without) * samples:.1f}, {named} of {len(rounds)}"
                )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
