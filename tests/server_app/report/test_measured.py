"""What methods measure, in charts that they state."""

import re
from pathlib import Path

import pytest

from server_app.report import measured
from server_app.report.glossary import diagnostics_of, losses_of
from server_app.report.measured import diagnostics_figures, losses_figures, scores_figures
from server_app.run_record import RunRecord, read_run_record
from strategies import methods
from strategies.common.presentation import Measured
from tests.server_app.run_folders import node, round_of, write_run


def run(folder: Path, lines: list[dict[str, float]], method: str = "fedktl") -> RunRecord:
    rounds = [round_of(n, (0.5, 0.5), diagnostics=told) for n, told in enumerate(lines, start=1)]
    return read_run_record(write_run(folder, rounds, method=method))


def test_what_belongs_together_has_one_chart_with_a_word_on_what_is_good(tmp_path: Path) -> None:
    told = {"mmd_first": 0.75, "mmd_last": 0.5, "mmd_reference": 0.25, "made_up": 3.0}
    drawn = diagnostics_figures(run(tmp_path / "run", [told]))
    assert drawn.count("<svg") == 2
    together, alone = drawn.split("</figure>")[:2]
    words = ("first epoch of the round, last 0.75", "last epoch, last 0.5", "within reach, last")
    assert all(one in together for one in words)
    assert "Good: the last epoch lies below the first" in together
    # What others are held against is a broken line.
    assert together.count("repeating-linear-gradient") == 1
    assert "<h3>made up</h3>" in alone
    assert "Good" not in alone


def test_the_untrained_network_stands_at_round_0(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = []
    monkeypatch.setattr(measured, "line_chart", lambda frame, series: shown.append(series) or "")
    first = {"untrained_knn_accuracy": 0.25, "untrained_accuracy": 0.125, "loss": 2.0}
    lines = [first, {"knn_accuracy": 0.5}]
    assert diagnostics_figures(run(tmp_path / "run", lines, "mocosfl"))
    assert [[list(one.points) for one in series] for series in shown] == [
        [[(0, 0.25), (2, 0.5)]],
        [[(1, 2.0)]],
    ]


def test_losses_of_one_measure_share_an_axis_and_others_do_not(tmp_path: Path) -> None:
    nodes = {
        str(c): node(c, 0.5, losses={"total": 2.0, "arcface": 1.0, "transfer": 0.1}) for c in (0, 1)
    }
    folder = write_run(tmp_path / "run", [round_of(1, (0.5, 0.5), nodes=nodes)])
    titles = re.findall(r"<h3>(.*?)</h3>", losses_figures(read_run_record(folder)))
    assert titles == [
        "Loss that clients minimise",
        "Distance from the server&#x27;s vectors, before its weight",
    ]


def test_models_share_one_chart_and_are_explained(tmp_path: Path) -> None:
    line = round_of(1, (0.5, 0.5), scores={"local": 0.25, "shared": 0.5, "odd": 0.75})
    record = read_run_record(write_run(tmp_path / "run", [line], method="feddat"))
    drawn = scores_figures(record)
    assert drawn.count("<svg") == 1
    assert "local: the client&#x27;s own adapter alone, last 0.25" in drawn
    assert "odd, last 0.75" in drawn


@pytest.mark.parametrize("augmentation", ["none", "faug"])
@pytest.mark.parametrize("method", methods.METHODS)
def test_no_number_is_in_two_charts_and_each_says_what_is_good(
    method: str, augmentation: str
) -> None:
    stated = methods.presentation(method, {"augmentation": augmentation})
    for charts in (diagnostics_of(stated), losses_of(stated)):
        names = [name for chart in charts for name in chart.curves]
        assert len(names) == len(set(names))
        for chart in charts:
            assert isinstance(chart, Measured)
            assert chart.good.startswith("Good: ")
            assert set(chart.references) <= set(chart.curves)
