"""Every run, round and client of a comparison as lines of ``rounds.csv``."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Final

from server_app.compare.arms import Arm
from server_app.compare.measures import CPU_FIGURE
from server_app.journal import NodeLine, TrafficLine
from server_app.progress import printable
from server_app.run_record import RunRecord

HEADINGS: Final = (
    "run",
    "method",
    "label",
    "seed",
    "round",
    "client",
    "model",
    "took_part",
    "accuracy",
    "correct",
    "test_samples",
    "loss",
    "macro_f1",
    "validation_accuracy",
    "validation_loss",
    "uplink_bytes",
    "downlink_bytes",
    "seconds",
    "cpu_seconds",
    "failure",
)
# What spreadsheets take for the beginning of a formula, in both widths.
_FORMULA: Final = (*"=+-@", *"\uff1d\uff0b\uff0d\uff20")
Cell = str | int | float | None


def csv_text(arms: Sequence[Arm]) -> str:
    """Return the file: one line per run, round and client; what is unknown stays empty."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(HEADINGS)
    for arm in arms:
        for seed, run in arm.runs.items():
            writer.writerows(_lines(arm, seed, run))
    return buffer.getvalue()


def harmless(text: str) -> str:
    """Return a text on one line that no spreadsheet takes for a formula."""
    plain = " ".join(printable(text).split())
    return f"'{plain}" if plain.startswith(_FORMULA) else plain


def _lines(arm: Arm, seed: int, run: RunRecord) -> Iterator[list[Cell]]:
    names: list[Cell] = [harmless(run.name), harmless(arm.method), harmless(arm.label), seed]
    for line in run.rounds:
        unanswered = {
            client: _unanswered(known.model if (known := run.clients.get(client)) else "", *told)
            for client, told in line.unanswered.items()
        }
        replied = {client: _replied(node) for client, node in line.answered.items()}
        for client, own in sorted({**replied, **unanswered}.items()):
            yield [*names, line.round_number, client, *own]


def _unanswered(model: str, failure: str | None, crossed: TrafficLine | None) -> list[Cell]:
    """Return what is known of a client without a reply; the rest of the line is not."""
    known: dict[str, Cell] = {"model": harmless(model), "failure": harmless(failure or "")}
    if crossed is not None:
        known |= {"uplink_bytes": crossed.uplink_bytes, "downlink_bytes": crossed.downlink_bytes}
    if failure is None:
        known["took_part"] = 0
    return [known.get(heading) for heading in HEADINGS[HEADINGS.index("model") :]]


def _replied(node: NodeLine) -> list[Cell]:
    told = node.accuracy is not None
    return [
        harmless(node.model),
        int(node.took_part),
        node.accuracy,
        # Soft scores of answers need not be whole.
        round((node.accuracy or 0.0) * node.test_samples, 6) if told else None,
        node.test_samples if told else None,
        node.loss,
        node.macro_f1,
        node.validation_accuracy,
        node.validation_loss,
        node.uplink_bytes,
        node.downlink_bytes,
        node.seconds.get("total"),
        node.figures.get(CPU_FIGURE),
        "",
    ]
