"""The same halves in one process: what a federation gives, and what clients learn alone."""

from pathlib import Path

import pytest
from federations.split_federation import EXCHANGING, TINY, federation

from local_federation.alone import judge_inputs, play_alone, save
from local_federation.one_process import OneProcess
from server_app.alone_baseline import read_baselines, read_raw
from strategies.common.run_config import default_config

pytestmark = pytest.mark.federation


@pytest.mark.parametrize("method", EXCHANGING)
@pytest.mark.quick("mocosfl")
def test_one_process_gives_the_numbers_of_a_federation(tmp_path: Path, method: str) -> None:
    lines = federation(tmp_path, method, nodes=1, clients_per_node=3).play()
    config = {**default_config(), **TINY, "method": method, "clients-per-node": 3, "device": "cpu"}
    alone = OneProcess({**config, "server-device": "cpu"}, 0, 1, tmp_path / "prepared")
    untrained = alone.assess(0)
    assert untrained is not None
    for line in lines:
        number = line["round"]
        told = dict(alone.play(number).diagnostics)
        if number == 1:
            before = untrained.said.diagnostics
            told |= {f"untrained_{name}": value for name, value in before.items()}
        if found := alone.assess(number):
            told |= found.said.diagnostics
            correct = sum(evaluation.correct for evaluation in found.evaluations.values())
            assert line["accuracy"] == correct / sum(found.test_samples.values())
        assert told == {k: v for k, v in line["diagnostics"].items() if k != "untrained_accuracy"}


@pytest.mark.thorough
def test_every_client_trains_alone_and_is_judged_on_the_samples_of_all(tmp_path: Path) -> None:
    config = {
        **default_config(),
        **TINY,
        "method": "mocosfl",
        "device": "cpu",
        "server-device": "cpu",
        "evaluate-every": 1,
        "partition": "shards",
        "min-train-samples": 4,
    }
    seen: list[tuple[int, int]] = []
    folder = tmp_path / "prepared"
    own = OneProcess({**config, "clients-per-node": 1, "split.cohorts": 1}, 1, 2, folder)
    probes = []
    for number in (1, 2):
        own.play(number)
        assessment = own.assess(number)
        assert assessment is not None
        assert sorted(assessment.test_samples) == [0, 1]
        probes.append(assessment.said.diagnostics["probe_accuracy"])
    baselines = play_alone(config, 2, folder, 1, lambda done, total: seen.append((done, total)))
    assert [baseline.client for baseline in baselines] == [0, 1]
    assert seen == [(1, 2), (2, 2)]
    assert baselines[1].probe_accuracy == max(probes)
    assert baselines[1].round_number == 1 + probes.index(max(probes))
    raw = judge_inputs(config, 2, folder)
    # Digits of a few clients with two classes each are easy, and an untrained network loses much.
    assert raw.knn_accuracy > max(baseline.knn_accuracy for baseline in baselines) - 0.5
    save(baselines, raw, tmp_path)
    assert read_baselines(tmp_path) == baselines
    assert read_raw(tmp_path) == raw
