"""One line of ``rounds.jsonl``: what happened in a round, node by node."""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import final

from server_app.roster import Client
from strategies.common.control import Report
from strategies.common.method import Aggregated


@final
@dataclass(frozen=True)
class NodeRecord:
    """One client's part in a round.

    Attributes
    ----------
    client : Client
        Who it is.
    report : Report
        What it said.
    took_part : bool
        Whether it trained; otherwise it was only evaluated.
    uplink, downlink : Mapping[str, int]
        Bytes by record, as :func:`strategies.common.envelope.count_bytes` counts them.
    """

    client: Client
    report: Report
    took_part: bool
    uplink: Mapping[str, int]
    downlink: Mapping[str, int]

    def to_json(self) -> dict[str, object]:
        """Return this node's entry of the journal."""
        report = self.report
        phases = {
            "load": report.load_s,
            "train": report.train_s,
            "evaluate": report.evaluate_s,
            "save": report.save_s,
        }
        return {
            "accuracy": report.correct / report.test_samples,
            "loss": report.loss,
            "train_samples": report.train_samples,
            "test_samples": report.test_samples,
            "model": self.client.description.model,
            "took_part": self.took_part,
            "uplink_bytes": sum(self.uplink.values()),
            "downlink_bytes": sum(self.downlink.values()),
            "payload_bytes": {
                **{f"down/{name}": size for name, size in self.downlink.items()},
                **{f"up/{name}": size for name, size in self.uplink.items()},
            },
            "seconds": {**phases, "total": sum(phases.values())},
            "losses": dict(report.losses),
            "continued_from": report.continued_from,
            "notes": list(report.notes),
        }


@final
@dataclass
class RoundRecord:
    """A round as it takes place.

    Attributes
    ----------
    round_number : int
        Which round.
    nodes : dict[int, NodeRecord]
        Good replies, by partition.
    failures : dict[int, str]
        Reasons of the clients that failed, by partition.
    seconds : dict[str, float]
        Wall time by phase.
    """

    round_number: int
    nodes: dict[int, NodeRecord] = field(default_factory=dict)
    failures: dict[int, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Add the wall time of a block to a phase."""
        started = time.perf_counter()
        try:
            yield
        finally:
            elapsed = time.perf_counter() - started
            self.seconds[phase] = self.seconds.get(phase, 0.0) + elapsed

    def accuracy(self) -> float | None:
        """Return the mean accuracy weighted by test samples; ``None`` without replies."""
        total = sum(node.report.test_samples for node in self.nodes.values())
        correct = sum(node.report.correct for node in self.nodes.values())
        return correct / total if total else None

    def to_json(self, method: str, aggregated: Aggregated) -> dict[str, object]:
        """Return the line of the journal.

        Parameters
        ----------
        method : str
            Name of the method.
        aggregated : Aggregated
            What the server half says of the round.
        """
        nodes = [self.nodes[partition] for partition in sorted(self.nodes)]
        entries: dict[str, object] = {}
        for partition in sorted(set(self.nodes) | set(self.failures)):
            if partition in self.nodes:
                entries[str(partition)] = self.nodes[partition].to_json()
            else:
                entries[str(partition)] = {"failure": self.failures[partition]}
        return {
            "round": self.round_number,
            "method": method,
            "seconds": {**self.seconds, "total": sum(self.seconds.values())},
            "accuracy": self.accuracy(),
            "loss": _weighted_loss(nodes),
            "accuracy_std": _spread(nodes),
            "diagnostics": dict(aggregated.diagnostics),
            "notes": list(aggregated.notes),
            "nodes": entries,
        }


def _weighted_loss(nodes: list[NodeRecord]) -> float | None:
    total = sum(node.report.test_samples for node in nodes)
    if not total:
        return None
    return math.fsum(node.report.loss * node.report.test_samples for node in nodes) / total


def _spread(nodes: list[NodeRecord]) -> float | None:
    """Return the population standard deviation of accuracy over clients, unweighted."""
    if not nodes:
        return None
    values = [node.report.correct / node.report.test_samples for node in nodes]
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))
