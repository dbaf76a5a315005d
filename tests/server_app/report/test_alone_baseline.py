"""What clients learn alone, beside what they learn together."""

import json
from pathlib import Path

import pytest

from server_app.alone_baseline import FILE, RAW_FILE, RawBaseline, read_baselines, read_raw
from server_app.report.page import write_report
from strategies.common.errors import RunFolderError
from tests.server_app.run_folders import round_of, write_run

BASELINES = [
    {"client": 0, "round_number": 2, "probe_accuracy": 0.5, "knn_accuracy": 0.4},
    {"client": 1, "round_number": 1, "probe_accuracy": 0.75, "knn_accuracy": 0.6},
]


def run(folder: Path) -> Path:
    first = {"untrained_probe_accuracy": 0.25, "untrained_knn_accuracy": 0.125}
    last = {"probe_accuracy": 0.875, "knn_accuracy": 0.9375}
    lines = [round_of(1, (0.5, 0.5), diagnostics=first), round_of(2, (0.5, 0.5), diagnostics=last)]
    return write_run(folder, lines, method="mocosfl")


def test_the_report_says_how_the_federation_does_beside_its_clients(tmp_path: Path) -> None:
    folder = run(tmp_path / "run")
    (folder / FILE).write_text(json.dumps(BASELINES))
    page = write_report(folder).read_text()
    assert (
        "Linear probe of the federation: 0.875; of the untrained network: 0.250; of the clients "
        "alone: 0.625 on average, 0.750 the best of 2 (client 1). kNN: 0.938, untrained 0.125."
    ) in page
    assert "What clients learn alone" in page


@pytest.mark.parametrize(("probe", "knn", "is_better"), [(0.5, 0.9, True), (0.875, 0.95, False)])
def test_raw_inputs_stand_beside_and_a_task_that_shows_nothing_is_named(
    tmp_path: Path, probe: float, knn: float, is_better: bool
) -> None:
    # The federation's probe reaches 0.875 and its neighbours 0.9375.
    folder = run(tmp_path / "run")
    (folder / FILE).write_text(json.dumps(BASELINES))
    raw = {"probe_accuracy": probe, "knn_accuracy": knn}
    (folder / RAW_FILE).write_text(json.dumps([raw]))
    page = write_report(folder).read_text()
    assert read_raw(folder) == RawBaseline(**raw)
    told = f"Raw inputs, without any network: linear probe {probe:.3f}, kNN {knn:.3f}."
    assert told in page
    assert ("this task does not show what was learnt" in page) == (not is_better)


def test_without_a_comparison_there_is_none(tmp_path: Path) -> None:
    folder = run(tmp_path / "run")
    assert read_baselines(folder) == ()
    assert read_raw(folder) is None
    assert "Together and alone" not in write_report(folder).read_text()


@pytest.mark.parametrize(
    "text", ["", "{}", '[{"client": 0}]', json.dumps([{**BASELINES[0], "probe_accuracy": 2}])]
)
def test_a_damaged_comparison_is_named(tmp_path: Path, text: str) -> None:
    folder = run(tmp_path / "run")
    (folder / FILE).write_text(text)
    with pytest.raises(RunFolderError, match=r"alone\.json: expected what clients learn alone"):
        read_baselines(folder)
