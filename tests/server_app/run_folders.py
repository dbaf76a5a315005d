"""Small run folders with numbers that can be checked by hand."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import tomli_w

from server_app.journal import RoundLine, read_round

MODELS = ("cnn", "resnet4")
TEST_SAMPLES = (10, 30)

# Some of a run's settings.
CONFIG: Final[dict[str, bool | int | float | str]] = {
    "method": "local",
    "seed": 0,
    "learning-rate": 0.01,
    "rounds": 5,
    "resume": False,
    "run-name": "run-1",
    "min-nodes": 2,
    "toy.step": 0.5,
}


def node(client: int, accuracy: float, **changes: Any) -> dict[str, Any]:
    """Return one client's entry of a journal line."""
    return {
        "accuracy": accuracy,
        "loss": 1.0 - accuracy,
        "tested_by": "device",
        "train_samples": 3 * TEST_SAMPLES[client],
        "test_samples": TEST_SAMPLES[client],
        "model": MODELS[client],
        "took_part": True,
        "uplink_bytes": 1000 * (client + 1),
        "downlink_bytes": 40_000,
        "payload_bytes": {"fedktl.prototypes": 900 * (client + 1), "fedktl.pairs": 39_000},
        "seconds": {"load": 0.5, "train": 2.0, "total": 2.5},
        "scores": {},
        "losses": {"total": 0.25 * (client + 1)},
        "figures": {},
        "continued_from": 0,
        "notes": [],
        **changes,
    }


def traffic(up: int, down: int) -> dict[str, Any]:
    """Return an entry of a client without a reply, for which bytes crossed all the same."""
    payloads = {"up/faug.seeds": up, "down/faug.generator": down}
    return {"uplink_bytes": up, "downlink_bytes": down, "payload_bytes": payloads}


def round_of(number: int, accuracies: Sequence[float], **changes: Any) -> dict[str, Any]:
    """Return a journal line; means weighted 10 to 30, as the clients' test samples are."""
    mean = sum(a * n for a, n in zip(accuracies, TEST_SAMPLES, strict=True)) / 40
    return {
        "round": number,
        "method": "fedktl",
        "seconds": {"wait": 1.0, "replies": 3.0, "total": 4.0},
        "accuracy": mean,
        "loss": 1.0 - mean,
        "accuracy_std": abs(accuracies[0] - accuracies[1]) / 2,
        "scores": {},
        "diagnostics": {"mmd_last": 0.5 / number},
        "notes": [],
        "nodes": {str(c): node(c, a) for c, a in enumerate(accuracies)},
        **changes,
    }


def line_of(entries: Mapping[str, Any]) -> RoundLine:
    """Return a line as those who show it have it."""
    return read_round(entries, "here")


def failed_round(number: int, reasons: Mapping[int, str]) -> dict[str, Any]:
    """Return a journal line in which nobody answered."""
    nodes = {str(c): {"failure": reason} for c, reason in reasons.items()}
    nothing = {"accuracy": None, "loss": None, "accuracy_std": None, "diagnostics": {}}
    return {**round_of(number, (0.0, 0.0)), **nothing, "nodes": nodes}


def write_run(
    folder: Path,
    lines: Sequence[Mapping[str, Any]],
    *,
    method: str = "fedktl",
    settings: Mapping[str, Any] | None = None,
    clients: Mapping[str, Mapping[str, Any]] | None = None,
) -> Path:
    """Write a run's folder of two clients and three classes."""
    folder.mkdir(parents=True)
    flat = {"method": method, "data": "digits", "rounds": 3, "seed": 0, "test-fraction": 0.25}
    flat |= {"fedktl.transfer-weight": 50.0, "resume": False, **(settings or {})}
    text = tomli_w.dumps({"settings": flat, "versions": {"flwr": "1.41.0"}})
    (folder / "settings.toml").write_text(text)
    described = {
        str(c): {
            "model": MODELS[c],
            "train_samples": 3 * TEST_SAMPLES[c],
            "test_samples": TEST_SAMPLES[c],
            "train_counts": [TEST_SAMPLES[c], 0, 2 * TEST_SAMPLES[c]],
            "test_counts": None,
            "clients": 1,
            "notes": [],
            "figures": {},
            **(clients or {}).get(str(c), {}),
        }
        for c in range(2)
    }
    content = {"task": {"num_classes": 3}, "class_names": ["ant", "bee", "cat"]}
    (folder / "clients.json").write_text(json.dumps({**content, "clients": described}))
    (folder / "rounds.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder
