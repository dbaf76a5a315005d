"""A run that was played, as Python reads it."""

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, final

from server_app.client_list import ListedClient
from server_app.comparison import ABSENT, typical_bytes
from server_app.journal import RoundLine
from server_app.progress import format_bytes, format_samples
from server_app.run_record import RunRecord
from strategies.methods import display_name

if TYPE_CHECKING:
    import pandas as pd


@final
@dataclass(frozen=True)
class Run:
    """What a run's folder told when the run was over, or when it was read.

    Attributes
    ----------
    record : RunRecord
        All of it.
    """

    record: RunRecord

    @property
    def folder(self) -> Path:
        """The run's own."""
        return self.record.folder

    @property
    def name(self) -> str:
        """Name of the run, which is its folder's."""
        return self.folder.name

    @property
    def method(self) -> str:
        """Name of the method."""
        return self.record.method

    @property
    def settings(self) -> dict[str, bool | int | float | str]:
        """Every setting as resolved, flat, and versions of the libraries."""
        return dict(self.record.settings)

    @property
    def accuracy(self) -> float | None:
        """Mean accuracy in the last round that has one, weighted by test samples."""
        last = self.record.last
        return None if last is None else last.accuracy

    @property
    def macro_f1(self) -> float | None:
        """Macro-F1 over all test samples of that round; ``None`` where classes are unknown."""
        last = self.record.last
        return None if last is None else last.macro_f1

    @property
    def rounds(self) -> tuple[RoundLine, ...]:
        """What happened in each round: ``run.rounds[-1].nodes[0].accuracy`` and much more."""
        return self.record.rounds

    @property
    def clients(self) -> dict[int, ListedClient]:
        """What each client told of itself, by number."""
        return dict(self.record.clients)

    @property
    def report(self) -> Path:
        """The page that shows all of it."""
        return self.folder / "report.html"

    def frame(self, of: Literal["rounds", "clients"] = "rounds") -> "pd.DataFrame":
        """Return the journal as a pandas frame.

        Parameters
        ----------
        of : str
            ``"rounds"`` for a row per round, ``"clients"`` for a row per round and client.

        Raises
        ------
        ImportError
            If pandas is not installed, with what to install.
        ValueError
            If ``of`` is neither.
        """
        rows = {"rounds": _round_row, "clients": _client_rows}
        if of not in rows:
            raise ValueError(f"frame: expected 'rounds' or 'clients', got {of!r}")
        try:
            import pandas as pd  # noqa: PLC0415 - of the notebook extra
        except ImportError:
            raise ImportError(
                "frame: needs pandas; install the extra 'notebook' of Nectar, or pandas itself"
            ) from None
        return pd.DataFrame([row for line in self.rounds for row in rows[of](line)])

    def __repr__(self) -> str:
        """Tell method, rounds, accuracy and folder."""
        return f"<Run {self.name}: {_summary(self)}, in {self.folder}>"

    def _repr_html_(self) -> str:
        """Show the clients in a notebook; what devices say of themselves is not trusted."""
        heads = ("client", "model", "train/test samples", "accuracy", "up/round", "down/round")
        head = "".join(f"<th>{text}</th>" for text in heads)
        body = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in _rows(self)
        )
        caption = f"<b>{escape(self.name)}</b>: {escape(_summary(self))}"
        page = escape(self.report.as_uri())
        return (
            f"<table><caption>{caption} · <a href='{page}'>report</a></caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )


def _summary(run: Run) -> str:
    accuracy = ABSENT if run.accuracy is None else f"{run.accuracy:.3f}"
    return f"{display_name(run.method)}, {len(run.rounds)} rounds, accuracy {accuracy}"


def _rows(run: Run) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for number, client in run.clients.items():
        latest = run.record.latest(number)
        accuracy = latest[1].accuracy if latest else None
        traffic = typical_bytes(run.record, number)
        up, down = map(format_bytes, traffic) if traffic else (ABSENT, ABSENT)
        shown = ABSENT if accuracy is None else f"{accuracy:.3f}"
        samples = f"{format_samples(client.own_samples, client.generated)}/{client.test_samples}"
        rows.append((str(number), client.model, samples, shown, up, down))
    return rows


def _round_row(line: RoundLine) -> list[dict[str, Any]]:
    return [
        {
            "round": line.round_number,
            "accuracy": line.accuracy,
            "accuracy_std": line.accuracy_std,
            "macro_f1": line.macro_f1,
            "validation_accuracy": line.validation_accuracy,
            "validation_loss": line.validation_loss,
            "loss": line.loss,
            "uplink_bytes": line.uplink_bytes,
            "downlink_bytes": line.downlink_bytes,
            "seconds": line.seconds.get("total"),
            "failed": len(line.failures),
            **{f"score {name}": value for name, value in line.scores.items()},
            **line.diagnostics,
        }
    ]


def _client_rows(line: RoundLine) -> list[dict[str, Any]]:
    answered = [
        {
            "round": line.round_number,
            "client": number,
            "model": node.model,
            "accuracy": node.accuracy,
            "macro_f1": node.macro_f1,
            "validation_accuracy": node.validation_accuracy,
            "validation_loss": node.validation_loss,
            "loss": node.loss,
            "train_samples": node.train_samples,
            "test_samples": node.test_samples,
            "took_part": node.took_part,
            "uplink_bytes": node.uplink_bytes,
            "downlink_bytes": node.downlink_bytes,
            "seconds": node.seconds.get("total"),
            "failure": None,
            **{f"loss {name}": value for name, value in node.losses.items()},
        }
        for number, node in line.answered.items()
    ]
    others: list[dict[str, Any]] = []
    for number, (reason, crossed) in line.unanswered.items():
        row = {"round": line.round_number, "client": number, "failure": reason}
        if reason is None:
            row["took_part"] = False
        if crossed is not None:
            row["uplink_bytes"] = crossed.uplink_bytes
            row["downlink_bytes"] = crossed.downlink_bytes
        others.append(row)
    return answered + others
