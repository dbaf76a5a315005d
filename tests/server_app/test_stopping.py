"""A run ends where nothing is gained on validation, and the same after a resume."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flwr.app import ConfigRecord, Message

from local_federation.compare.home import StudyHome
from local_federation.compare.study import PlannedRun
from server_app.compare.arms import read_arms
from server_app.compare.caveats import caveats
from server_app.held_rounds import HeldRounds
from server_app.progress import round_line
from server_app.report.headline import cards
from server_app.run_record import read_run_record
from server_app.stopping import StopRule, stop_of
from strategies.common.errors import SettingsError
from tests.loopback import without_clocks
from tests.server_app.run_folders import line_of, round_of, write_run
from tests.server_app.small_federation import Play, is_training, player, sent


def lines_of(*told: float | None) -> list[dict[str, Any]]:
    more = {"macro_f1": None, "class_accuracy": [], "validation_loss": None, "nodes": {}}
    return [
        round_of(number, (0.5, 0.5), validation_accuracy=one, **more)
        for number, one in enumerate(told, start=1)
    ]


@pytest.mark.parametrize(
    ("told", "patience", "stop"),
    [
        ((0.5, 0.5, 0.5, 0.9), 2, (3, 1)),
        ((0.5, 0.6, 0.5, 0.6, 0.9), 2, (4, 2)),
        ((0.5, 0.4, 0.6, 0.5), 2, None),
        # Nobody was tested in rounds 2 and 3: they count, and the fourth decides.
        ((0.5, None, None, 0.5), 2, (4, 1)),
        ((0.5, None, None, 0.6), 2, None),
        ((0.0, 0.0), 1, (2, 1)),
        ((0.5, 0.5, 0.5), 0, None),
        ((None, None, None), 1, None),
    ],
)
def test_rounds_without_a_gain_end_a_run(
    told: tuple[float | None, ...], patience: int, stop: tuple[int, int] | None
) -> None:
    found = stop_of(map(line_of, lines_of(*told)), patience)
    assert (found and (found.round_number, found.best_round)) == stop


def test_a_stop_says_what_happened_and_stays() -> None:
    rule = StopRule(2)
    for line in map(line_of, lines_of(0.5, 0.4, 0.4, 0.9)):
        rule.take(line)
    said = "stopped after round 3: no gain on validation for 2 rounds; best round 1"
    assert str(rule.stop) == said


def test_a_run_that_stopped_is_complete_for_those_who_show_and_compare_it(tmp_path: Path) -> None:
    lines = lines_of(0.5, 0.5)
    settings = {"rounds": 9, "validation-share": 0.1, "stop-after": 1}
    folder = write_run(tmp_path / "local-seed0", lines, method="local", settings=settings)
    home, run = StudyHome(tmp_path), PlannedRun("local-seed0", settings)
    assert home.finished(run)
    told = caveats(read_arms([folder]))
    sentence = "stopped after round 2: no gain on validation for 1 round; best round 1"
    assert f"local-seed0 {sentence}." in told
    assert not [one for one in told if "ends after round" in one]
    assert "no gain on validation since round 1" in str(cards(read_run_record(folder), None))
    assert "· validation 0.500 ·" in round_line(line_of(lines[0]), 9, None)
    write_run(tmp_path / "fd-seed0", lines, settings={**settings, "stop-after": 2})
    assert not home.finished(PlannedRun("fd-seed0", settings))


@pytest.fixture
def federation(tmp_path: Path) -> Play:
    # A step so small that no answer changes: only the first round is a gain.
    settled = {"learning_rate": 1e-9, "validation_share": 0.2, "stop_after": 2, "rounds": 6}
    return partial(player(tmp_path), **settled)


@pytest.mark.federation
def test_a_run_ends_early_and_says_so_and_a_resumed_one_too(federation: Play) -> None:
    undisturbed = federation(2, "undisturbed")
    lines = undisturbed.play()
    said = "stopped after round 3: no gain on validation for 2 rounds; best round 1"
    assert [line["notes"] for line in lines] == [[], [], [said]]
    # 30 training samples, of which a fifth is held out.
    assert [node["train_samples"] for node in lines[0]["nodes"].values()] == [24, 24]
    for line in lines:
        told = [node["validation_accuracy"] for node in line["nodes"].values()]
        assert line["validation_accuracy"] == pytest.approx(sum(told) / 2)
    progress = json.loads((undisturbed.run_folder / "progress.json").read_text())
    assert progress == {"round": 3, "rounds": 6, "phase": "finished", "stopped": said}
    names = sorted(file.name for file in (undisturbed.run_folder / "checkpoints").iterdir())
    assert names[0] == "round-000001.safetensors"

    cut = federation(2, "cut")

    def power_cut(node_id: int, reply: Message) -> Message:
        if is_training(reply, 3):
            raise InterruptedError
        return reply

    cut.grid.tamper = power_cut
    with pytest.raises(InterruptedError):
        cut.play()
    assert len(cut.lines()) == 2
    resumed = federation(2, "cut", resume=True)
    assert without_clocks(resumed.play()) == without_clocks(lines)

    again = federation(2, "cut", resume=True)
    assert without_clocks(again.play()) == without_clocks(lines)
    assert sent(again, "train") == []


def test_a_loop_that_is_not_ours_cannot_be_stopped(federation: Play) -> None:
    fed = federation(2)
    with pytest.raises(SettingsError, match=r"stop-after: expected 0 where another loop .* got 2"):
        HeldRounds(fed.grid, fed.config, {})


@pytest.mark.federation
@pytest.mark.parametrize("share", [0.0, 0.2])
def test_a_client_that_says_otherwise_of_validation_is_refused(
    federation: Play, share: float
) -> None:
    fed = federation(2, rounds=1, validation_share=share, stop_after=0)

    def lie(node_id: int, reply: Message) -> Message:
        if node_id == 101 and is_training(reply, 1):
            changed = {"validation_samples": 0 if share else 6, "validation_correct": 0}
            reply.content["report"] = ConfigRecord({**reply.content["report"], **changed})
        return reply

    fed.grid.tamper = lie
    (line,) = fed.play()
    expected = "at least 1, got 0" if share else "0, got 6"
    told = f"client 1 (cnn): report.validation_samples: expected {expected}"
    assert line["nodes"]["1"] == {"failure": told}
