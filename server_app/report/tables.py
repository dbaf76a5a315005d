"""The report's tables: clients, payloads, rounds and settings."""

from collections import defaultdict
from collections.abc import Sequence
from statistics import median
from typing import Final

from server_app.comparison import ABSENT, latest_mean, run_titles, typical_bytes
from server_app.journal import RoundLine
from server_app.progress import format_bytes, format_duration, format_samples
from server_app.report.markup import Column, Html, element, join, table, text
from server_app.run_record import RunRecord

READING: Final = (
    "Accuracy is the client's latest; its round is given where that is not the run's last. "
    "Bytes are medians over rounds. The last row has sums of samples and failures, the "
    "accuracy weighted by test samples, and the median bytes of all clients and rounds. Macro-F1 "
    "is the mean of the classes' F1 scores, in the last row over all test samples together."
)

MAX_ROUNDS: Final = 20
MAX_CLIENTS: Final = 100


def clients_table(run: RunRecord, other: RunRecord | None) -> Html:
    """Return every client's model, samples, latest accuracy and traffic."""
    shown = [run] if other is None else [run, other]
    titles = ("Accuracy",) if other is None else [f"{t} accuracy" for t in run_titles(run, other)]
    f1_scores = {number: told[1].macro_f1 for number in run.clients if (told := run.latest(number))}
    scored = any(value is not None for value in f1_scores.values())
    columns = [
        Column("Client"),
        Column("Model", numeric=False),
        Column("Train / test samples"),
        *(Column(title) for title in titles),
        *([Column("Macro-F1")] if scored else []),
        Column("Up per round"),
        Column("Down per round"),
        Column("Failures"),
    ]
    rows = []
    for number, client in run.clients.items():
        failures = sum(number in line.failures for line in run.rounds)
        rows.append(
            [
                str(number),
                client.model or ABSENT,
                f"{format_samples(client.own_samples, client.generated)} / {client.test_samples}",
                *(_latest(record, number) for record in shown),
                *([score(f1_scores.get(number))] if scored else []),
                *_traffic(run, number),
                str(failures),
            ]
        )
    own = sum(client.own_samples for client in run.clients.values())
    generated = sum(client.generated for client in run.clients.values())
    test = sum(client.test_samples for client in run.clients.values())
    foot = [
        "All",
        "",
        f"{format_samples(own, generated)} / {test}",
        *(score(latest_mean(record)) for record in shown),
        *([score(run.last.macro_f1 if run.last else None)] if scored else []),
        *_traffic(run),
        str(sum(len(line.failures) for line in run.rounds)),
    ]
    note = element("p", READING, attributes={"class": "muted"})
    return join(table("Clients", columns, rows, foot), note)


def payloads_table(run: RunRecord) -> Html:
    """Return what travelled, by payload; empty where nothing did."""
    sizes: dict[str, list[int]] = defaultdict(list)
    for line in run.rounds:
        for travelled in line.payloads:
            for name, size in travelled.items():
                sizes[name].append(size)
    if not sizes:
        return text("")
    columns = [
        Column("What travels", numeric=False),
        Column("Median"),
        Column("Largest"),
        Column("Times"),
    ]
    rows = [
        [name, format_bytes(median(found)), format_bytes(max(found)), str(len(found))]
        for name, found in sorted(sizes.items())
    ]
    return table("Payloads", columns, rows)


_TITLES: Final = {"cpu_s": "CPU time of a round", "step_ms": "Milliseconds of a step"}


def devices_table(run: RunRecord) -> Html:
    """Return what the rounds cost each device; empty where no device said so."""
    figures: dict[int, dict[str, list[float]]] = {
        number: defaultdict(list, {name: [value] for name, value in client.figures.items()})
        for number, client in run.clients.items()
    }
    for line in run.rounds:
        for client, node in line.answered.items():
            for name, value in node.figures.items():
                figures[client][name].append(value)
    names = sorted({name for own in figures.values() for name in own})
    if not names:
        return text("")
    columns = [Column("Client"), *(Column(_title(name)) for name in names)]
    rows = [
        [str(client), *(_figure(name, own.get(name)) for name in names)]
        for client, own in figures.items()
    ]
    note = element("p", _measured(names), attributes={"class": "muted"})
    return join(table("Devices", columns, rows), note)


def _measured(names: Sequence[str]) -> str:
    once = any("per_image" in name for name in names)
    peaks = any(name.startswith("peak_") for name in names)
    return " ".join(
        [
            *(["Figures per image: of one client, once, in a process of its own."] if once else []),
            "Other figures: medians over rounds." if once or peaks else "Medians over rounds.",
            *(["Peak memory: the largest, of the whole process."] if peaks else []),
        ]
    )


def _title(name: str) -> str:
    return _TITLES.get(name) or name.removesuffix("_bytes").replace("_", " ").capitalize()


def _figure(name: str, values: list[float] | None) -> str:
    if not values:
        return ABSENT
    value = max(values) if name.startswith("peak_") else median(values)
    if name.endswith("_bytes"):
        return format_bytes(value)
    if name == "cpu_s":  # 0 where a device cannot tell its own time from that of others
        return format_duration(value) if value else ABSENT
    return f"{value:.4g}"


def rounds_table(run: RunRecord) -> Html:
    """Return every round in numbers: the text behind the charts."""
    names = ("Round", "Mean accuracy", "Spread", "Worst client", "Test loss", "Up", "Down")
    columns = [Column(name) for name in (*names, "Time", "Answered", "Failed")]
    return table("Rounds", columns, [_round_row(line) for line in run.rounds])


def clients_by_round_table(run: RunRecord) -> Html:
    """Return every client's accuracy over the rounds, as the thin lines of the chart have it."""
    told = [line for line in run.rounds if line.accuracy is not None]
    # Evenly spread, and the last one in any case.
    step = max(1, -(-len(told) // MAX_ROUNDS))
    shown = told[::-1][::step][::-1]
    if not shown:
        return element("p", "No client reported an accuracy.")
    columns = [
        Column("Client"),
        Column("Model", numeric=False),
        *(Column(f"Round {line.round_number}") for line in shown),
    ]
    rows = []
    for number, client in list(run.clients.items())[:MAX_CLIENTS]:
        own = [line.answered.get(number) for line in shown]
        scores = [ABSENT if node is None else score(node.accuracy) for node in own]
        rows.append([str(number), client.model or ABSENT, *scores])
    limits = [f"The first {MAX_CLIENTS} clients."] if len(run.clients) > MAX_CLIENTS else []
    limits += [f"{len(shown)} of {len(told)} rounds."] if step > 1 else []
    note = element("p", " ".join(limits), attributes={"class": "muted"}) if limits else ""
    return join(table("Accuracy of every client by round", columns, rows), note)


def settings_table(run: RunRecord) -> Html:
    """Return everything that was set, and the versions of the libraries."""
    columns = [Column("Setting", numeric=False), Column("Value", numeric=False)]
    rows = [
        [key, str(value).lower() if isinstance(value, bool) else str(value)]
        for key, value in sorted(run.settings.items(), key=lambda item: ("." in item[0], item[0]))
    ]
    return table("Settings", columns, rows)


def score(value: float | None) -> str:
    """Write an accuracy, or a dash where there is none."""
    return ABSENT if value is None else f"{value:.3f}"


def _latest(run: RunRecord, client: int) -> Html:
    latest = run.latest(client)
    if latest is None or run.last is None:
        return text(ABSENT)
    number, node = latest
    late = number != run.last.round_number
    return join(score(node.accuracy), element("small", f" round {number}") if late else "")


def _traffic(run: RunRecord, client: int | None = None) -> tuple[str, str]:
    typical = typical_bytes(run, client)
    if typical is None:
        return ABSENT, ABSENT
    return format_bytes(typical[0]), format_bytes(typical[1])


def _round_row(line: RoundLine) -> list[str]:
    scores = [n.accuracy for n in line.answered.values() if n.accuracy is not None]
    total = line.seconds.get("total")
    return [
        str(line.round_number),
        score(line.accuracy),
        score(line.accuracy_std),
        score(min(scores, default=None)),
        score(line.loss),
        format_bytes(line.uplink_bytes),
        format_bytes(line.downlink_bytes),
        ABSENT if total is None else format_duration(total),
        str(len(line.answered)),
        str(len(line.failures)),
    ]
