"""What clients of a split method learn alone, beside what they learn together."""

from statistics import mean

from server_app.alone_baseline import Baseline, read_baselines, read_raw
from server_app.comparison import ABSENT
from server_app.report.markup import Column, Html, element, join, table, text
from server_app.run_record import RunRecord

_READING = (
    "Each client trained the whole network with the same method on its own samples alone. The "
    "linear probe learns from all clients' training samples and is tested on all clients' test "
    "samples, as the federation's is. A client's best round is picked on those and flatters it."
)


def alone_baseline(run: RunRecord) -> Html:
    """Return the comparison, or nothing where nobody tried.

    Raises
    ------
    RunFolderError
        If the file of the comparison cannot be understood.
    """
    baselines = read_baselines(run.folder)
    if not baselines:
        return text("")
    columns = [Column("Client"), Column("Linear probe"), Column("kNN"), Column("Round")]
    rows = [
        [str(f.client), f"{f.probe_accuracy:.3f}", f"{f.knn_accuracy:.3f}", str(f.round_number)]
        for f in baselines
    ]
    note = element("p", _READING, attributes={"class": "muted"})
    raw = raw_sentence(run)
    return join(
        element("p", sentence(run, baselines)),
        element("p", raw) if raw else text(""),
        table("What clients learn alone", columns, rows),
        note,
    )


def sentence(run: RunRecord, baselines: tuple[Baseline, ...]) -> str:
    """Say in plain words how the federation compares with its clients alone."""
    best = max(baselines, key=lambda f: f.probe_accuracy)
    typical = mean(f.probe_accuracy for f in baselines)
    probe, before = _told(run, "probe_accuracy"), _told(run, "untrained_probe_accuracy")
    return (
        f"Linear probe of the federation: {probe}; of the untrained network: {before}; of the "
        f"clients alone: {typical:.3f} on average, {best.probe_accuracy:.3f} the best of "
        f"{len(baselines)} (client {best.client}). kNN: {_told(run, 'knn_accuracy')}, untrained "
        f"{_told(run, 'untrained_knn_accuracy')}."
    )


def raw_sentence(run: RunRecord) -> str:
    """Say what needs no network, and whether the federation does better; empty if unknown.

    Raises
    ------
    RunFolderError
        If the file of raw inputs cannot be understood.
    """
    raw = read_raw(run.folder)
    if raw is None:
        return ""
    told = (
        f"Raw inputs, without any network: linear probe {raw.probe_accuracy:.3f}, kNN "
        f"{raw.knn_accuracy:.3f}."
    )
    pairs = (("probe_accuracy", raw.probe_accuracy), ("knn_accuracy", raw.knn_accuracy))
    known = [(value, least) for name, least in pairs if (value := _last(run, name)) is not None]
    if known and all(value <= least for value, least in known):
        return (
            f"{told} The representation is no better than these, so that this task does not "
            f"show what was learnt; data on which raw inputs fail would."
        )
    return told


def _last(run: RunRecord, name: str) -> float | None:
    found = [line.diagnostics[name] for line in run.rounds if name in line.diagnostics]
    return found[-1] if found else None


def _told(run: RunRecord, name: str) -> str:
    """Return the last value of a number that the server measured."""
    value = _last(run, name)
    return ABSENT if value is None else f"{value:.3f}"
