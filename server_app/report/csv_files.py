"""A run's numbers as CSV, to be saved from its page."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from server_app.compare.csv_file import Cell, harmless
from server_app.journal import RoundLine
from server_app.run_record import RunRecord


def rounds_csv(run: RunRecord) -> str:
    """Return one line per round: means, bytes, seconds, and what the server measured."""
    groups = {"score": "scores", "measured": "diagnostics", "seconds": "seconds"}
    names = {
        kind: list(dict.fromkeys(n for line in run.rounds for n in getattr(line, field)))
        for kind, field in groups.items()
    }
    headings = [
        *("round", "accuracy", "accuracy_std", "worst_client", "loss"),
        *("uplink_bytes", "downlink_bytes", "answered", "failed"),
        *(harmless(f"{kind}.{name}") for kind, own in names.items() for name in own),
    ]
    return _written(headings, (_round(line, names) for line in run.rounds))


def clients_csv(run: RunRecord) -> str:
    """Return one line per round and client that replied, or that bytes crossed for."""
    losses = list(
        dict.fromkeys(
            n for line in run.rounds for node in line.answered.values() for n in node.losses
        )
    )
    headings = [
        *("round", "client", "model", "took_part", "accuracy", "loss", "train_samples"),
        *("test_samples", "uplink_bytes", "downlink_bytes", "seconds"),
        *(harmless(f"training.{name}") for name in losses),
    ]
    replied = (
        [
            line.round_number,
            client,
            harmless(node.model),
            int(node.took_part),
            node.accuracy,
            node.loss,
            node.train_samples,
            node.test_samples,
            node.uplink_bytes,
            node.downlink_bytes,
            node.seconds.get("total"),
            *(node.losses.get(name) for name in losses),
        ]
        for line in run.rounds
        for client, node in line.answered.items()
    )
    return _written(headings, sorted([*replied, *_aside(run, len(losses))], key=_place))


def _aside(run: RunRecord, num_losses: int) -> Iterator[list[Cell]]:
    for line in run.rounds:
        for client, own in line.aside.items():
            known = run.clients.get(client)
            yield [
                *(line.round_number, client, harmless(known.model) if known else "", 0),
                *([None] * 4),
                *(own.uplink_bytes, own.downlink_bytes, None),
                *([None] * num_losses),
            ]


def _place(row: Sequence[Cell]) -> tuple[int, int]:
    return int(row[0] or 0), int(row[1] or 0)


def _round(line: RoundLine, names: dict[str, list[str]]) -> list[Cell]:
    scores = [n.accuracy for n in line.answered.values() if n.accuracy is not None]
    return [
        line.round_number,
        line.accuracy,
        line.accuracy_std,
        min(scores, default=None),
        line.loss,
        line.uplink_bytes,
        line.downlink_bytes,
        len(line.answered),
        len(line.failures),
        *(line.scores.get(name) for name in names["score"]),
        *(line.diagnostics.get(name) for name in names["measured"]),
        *(line.seconds.get(name) for name in names["seconds"]),
    ]


def _written(headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(headings)
    writer.writerows(rows)
    return buffer.getvalue()
