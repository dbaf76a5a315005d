"""What happens in a round, node by node, until it is a line of the journal."""

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import final

from server_app.client import Client
from server_app.crossed import Crossed
from server_app.journal import FailureLine, NodeLine, RoundLine
from server_app.reported_classes import reported_classes
from strategies.common.confusion import ConfusionCounts
from strategies.common.round import Aggregated
from strategies.common.transport.control import Report


@final
@dataclass(frozen=True)
class MeasuredAccuracy:
    """How a node's model does on its test samples.

    Attributes
    ----------
    correct, samples : float, int
        Samples classified correctly, of how many; at least one.
    loss : float
        Mean loss over them.
    classes : ConfusionCounts | None
        The same samples class by class, where that is known here.
    own_f1 : float | None
        The macro-F1 that a client told which keeps its class counts to itself.
    """

    correct: float
    samples: int
    loss: float
    classes: ConfusionCounts | None = None
    own_f1: float | None = None

    @property
    def accuracy(self) -> float:
        """Part of the samples that is classified correctly."""
        return self.correct / self.samples

    @property
    def macro_f1(self) -> float | None:
        """Mean F1 score over classes, as ``ConfusionCounts.macro_f1``; ``None`` if unknown."""
        return self.classes.macro_f1 if self.classes else self.own_f1


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
        Bytes by record, as :func:`strategies.common.transport.envelope.count_bytes` counts them.
    by_server : MeasuredAccuracy | None
        What the server found where it evaluates itself.
    after : Report | None
        What the client said when it tested what aggregation made.
    """

    client: Client
    report: Report
    took_part: bool
    uplink: Mapping[str, int]
    downlink: Mapping[str, int]
    by_server: MeasuredAccuracy | None = None
    after: Report | None = None

    @property
    def tested(self) -> MeasuredAccuracy | None:
        """How the model does, whoever tested it; ``None`` where nobody did."""
        report = self.after or self.report
        if self.by_server is not None or not report.test_samples:
            return self.by_server
        return MeasuredAccuracy(
            report.correct,
            report.test_samples,
            report.loss,
            reported_classes(report),
            report.macro_f1,
        )

    @property
    def validated(self) -> MeasuredAccuracy | None:
        """How the same model does on training samples held out; ``None`` where none are."""
        report = self.after or self.report
        correct, samples = report.validation_correct, report.validation_samples
        return MeasuredAccuracy(correct, samples, report.validation_loss) if samples else None

    @property
    def scores(self) -> Mapping[str, float]:
        """How other models of the client do on the same samples."""
        return (self.after or self.report).scores

    def with_traffic(self, uplink: Mapping[str, int], downlink: Mapping[str, int]) -> "NodeRecord":
        """Return this record with more bytes."""
        crossed = Crossed(self.uplink, self.downlink).joined(Crossed(uplink, downlink))
        return replace(self, uplink=crossed.uplink, downlink=crossed.downlink)

    def to_line(self) -> NodeLine:
        """Return this node's entry of the journal."""
        report, tested, validated = self.report, self.tested, self.validated
        crossed = Crossed(self.uplink, self.downlink).to_line()
        phases = {
            "load": report.load_s,
            "train": report.train_s,
            "evaluate": report.evaluate_s + (self.after.evaluate_s if self.after else 0.0),
            "save": report.save_s,
        }
        return NodeLine(
            accuracy=tested.accuracy if tested else None,
            loss=_finite(tested.loss) if tested else None,
            macro_f1=tested.macro_f1 if tested else None,
            validation_accuracy=validated.accuracy if validated else None,
            validation_loss=validated.loss if validated else None,
            tested_by="server" if self.by_server else "device",
            train_samples=report.train_samples,
            test_samples=tested.samples if tested else 0,
            model=self.client.description.model,
            took_part=self.took_part,
            uplink_bytes=crossed.uplink_bytes,
            downlink_bytes=crossed.downlink_bytes,
            payload_bytes=crossed.payload_bytes,
            seconds={**phases, "total": sum(phases.values())},
            scores=dict(self.scores),
            losses=dict(report.losses),
            figures=dict(report.figures),
            continued_from=report.continued_from,
            notes=(*report.notes, *(self.after.notes if self.after else ())),
        )


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
    notes : list[str]
        What the user should know of the exchange itself.
    before : Mapping[int, Crossed]
        What crossed before the round, by partition, for whoever was there.
    """

    round_number: int
    nodes: dict[int, NodeRecord] = field(default_factory=dict)
    failures: dict[int, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    before: Mapping[int, Crossed] = field(default_factory=dict)

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Add the wall time of a block to a phase."""
        started = time.perf_counter()
        try:
            yield
        finally:
            elapsed = time.perf_counter() - started
            self.seconds[phase] = self.seconds.get(phase, 0.0) + elapsed

    def add_test(self, later: "RoundRecord") -> list[str]:
        """Add what clients found when they tested what aggregation made.

        Parameters
        ----------
        later : RoundRecord
            Of that test.

        Returns
        -------
        list[str]
            As of :meth:`add_survey`, in order.
        """
        failed = self.add_survey(later)
        for partition, node in later.nodes.items():
            known = self.nodes.get(partition)
            if known is not None and known is not node:
                self.nodes[partition] = replace(known, after=node.report)
        self.seconds["evaluate"] = sum(later.seconds.values())
        self.notes += later.notes
        return [*failed.values()]

    def add_survey(self, later: "RoundRecord") -> dict[int, str]:
        """Add the bytes of a later exchange, and the reports of clients that sat the round out.

        Parameters
        ----------
        later : RoundRecord
            Of that exchange.

        Returns
        -------
        dict[int, str]
            Reasons of the clients that failed in it and not in the round, where they are told
            already: whatever is wrong with a client is told once a round. They stay what they were.
        """
        for partition, node in later.nodes.items():
            known = self.nodes.get(partition)
            if known is not None:
                self.nodes[partition] = known.with_traffic(node.uplink, node.downlink)
            elif partition not in self.failures:
                self.nodes[partition] = node
        return {p: r for p, r in sorted(later.failures.items()) if p not in self.failures}

    @property
    def num_tested(self) -> int:
        """Of how many clients the mean accuracy is."""
        return len(_tested(self.nodes.values()))

    def accuracy(self) -> float | None:
        """Return the mean accuracy weighted by test samples; ``None`` without replies."""
        return _mean_accuracy(_tested(self.nodes.values()))

    def validation_accuracy(self) -> float | None:
        """Return the mean validation accuracy weighted by samples; ``None`` without any."""
        return _mean_accuracy(self._validated())

    def _validated(self) -> list[MeasuredAccuracy]:
        told = (self.nodes[partition].validated for partition in sorted(self.nodes))
        return [result for result in told if result is not None]

    def scores(self) -> dict[str, float]:
        """Return the means of the clients' other scores by name, weighted by test samples."""
        sums: dict[str, tuple[float, int]] = {}
        for _, node in sorted(self.nodes.items()):
            samples = node.tested.samples if node.tested else 0
            for name, score in node.scores.items():
                total, count = sums.get(name, (0.0, 0))
                sums[name] = total + score * samples, count + samples
        return {name: total / count for name, (total, count) in sums.items() if count}

    def to_line(self, method: str, aggregated: Aggregated, classified_by: str = "") -> RoundLine:
        """Return the line of the journal.

        Parameters
        ----------
        method : str
            Name of the method.
        aggregated : Aggregated
            What the server half says of the round.
        classified_by : str
            What picks a class in a test, as the method states it.
        """
        aggregated = aggregated.finite()
        tested = _tested(self.nodes[partition] for partition in sorted(self.nodes))
        classes, partly = _together(tested)
        entries: dict[int, NodeLine | FailureLine] = {
            **{partition: FailureLine(reason) for partition, reason in self.failures.items()},
            **{partition: self._entry(partition) for partition in self.nodes},
        }
        aside = {p: own.to_line() for p, own in self.before.items() if p not in self.nodes}
        return RoundLine(
            round_number=self.round_number,
            method=method,
            classified_by=classified_by,
            seconds={**self.seconds, "total": sum(self.seconds.values())},
            accuracy=self.accuracy(),
            loss=_weighted_loss(tested),
            accuracy_std=_spread(tested),
            macro_f1=classes.macro_f1 if classes else None,
            class_accuracy=classes.accuracy if classes else (),
            validation_accuracy=self.validation_accuracy(),
            validation_loss=_weighted_loss(self._validated()),
            scores=self.scores(),
            diagnostics=dict(aggregated.diagnostics),
            notes=(*self.notes, *aggregated.notes, *partly),
            nodes=dict(sorted(entries.items())),
            aside=dict(sorted(aside.items())),
        )

    def _entry(self, partition: int) -> NodeLine:
        before = self.before.get(partition, Crossed())
        return self.nodes[partition].with_traffic(before.uplink, before.downlink).to_line()


def _tested(nodes: Iterable[NodeRecord]) -> list[MeasuredAccuracy]:
    return [node.tested for node in nodes if node.tested is not None]


def _mean_accuracy(results: list[MeasuredAccuracy]) -> float | None:
    total = sum(result.samples for result in results)
    return sum(result.correct for result in results) / total if total else None


def _together(tested: list[MeasuredAccuracy]) -> tuple[ConfusionCounts | None, list[str]]:
    """Return the counts over all clients that told theirs, and a note if some did not."""
    told = [result.classes for result in tested if result.classes is not None]
    if not told:
        return None, []
    of = f"{len(told)} of {len(tested)} clients"
    notes = [f"scores of classes are of {of}: the others did not tell how each class fared"]
    return ConfusionCounts.together(told), notes if len(told) < len(tested) else []


def _weighted_loss(tested: list[MeasuredAccuracy]) -> float | None:
    # The server's own tests may meet a network that diverged.
    told = [result for result in tested if math.isfinite(result.loss)]
    total = sum(result.samples for result in told)
    if not total:
        return None
    return _finite(math.fsum(result.loss * result.samples for result in told) / total)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _spread(tested: list[MeasuredAccuracy]) -> float | None:
    """Return the population standard deviation of accuracy over clients, unweighted."""
    if not tested:
        return None
    values = [result.accuracy for result in tested]
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))
