"""Reading a run's folder."""

import json

import pytest

from server_app.run_record import read_run_record
from strategies.common.errors import RunFolderError
from tests.server_app.run_folders import failed_round, line_of, node, round_of, write_run


def test_everything_is_read(tmp_path):
    run = read_run_record(write_run(tmp_path / "one", [round_of(1, (0.5, 0.9))]))
    assert (run.name, run.method, run.class_names) == ("one", "fedktl", ("ant", "bee", "cat"))
    assert run.settings["fedktl.transfer-weight"] == 50.0
    assert run.settings["versions.flwr"] == "1.41.0"
    assert run.settings["resume"] is False
    assert run.clients[1].train_counts == (30, 0, 60)
    (line,) = run.rounds
    assert line.accuracy == pytest.approx((10 * 0.5 + 30 * 0.9) / 40)
    assert line.nodes[1].payload_bytes["fedktl.prototypes"] == 1800
    assert (line.uplink_bytes, line.downlink_bytes) == (3000, 80_000)
    assert run.notes == ()


def test_settings_may_stand_at_the_top_and_in_tables(tmp_path):
    folder = write_run(tmp_path / "run", [])
    (folder / "settings.toml").write_text('method = "fd"\n[fd]\nweight = 2\n')
    assert read_run_record(folder).settings == {"method": "fd", "fd.weight": 2}


def test_a_run_has_the_rounds_that_were_played_where_fewer_were_asked_for(tmp_path):
    for name, asked, told in (("more", 2, 3), ("fewer", 5, 5)):
        lines = [round_of(n, (0.5, 0.9)) for n in (1, 2, 3)]
        folder = write_run(tmp_path / name, lines, settings={"rounds": asked})
        assert read_run_record(folder).settings["rounds"] == told


def test_a_cut_off_last_line_is_left_out_with_a_note(tmp_path):
    folder = write_run(tmp_path / "run", [round_of(1, (0.5, 0.9)), round_of(2, (0.6, 0.9))])
    journal = folder / "rounds.jsonl"
    journal.write_bytes(journal.read_bytes()[:-20])
    run = read_run_record(folder)
    assert [line.round_number for line in run.rounds] == [1]
    assert "cut off" in run.notes[0]


def test_damage_further_up_is_an_error_that_names_the_line(tmp_path):
    folder = write_run(tmp_path / "run", [round_of(1, (0.5, 0.9))])
    journal = folder / "rounds.jsonl"
    journal.write_text("{broken\n" + journal.read_text())
    with pytest.raises(RunFolderError, match="line 1: expected JSON"):
        read_run_record(folder)


def test_a_wrong_type_is_an_error_that_names_the_key(tmp_path):
    folder = write_run(tmp_path / "run", [round_of(1, (0.5, 0.9), accuracy="high")])
    with pytest.raises(RunFolderError, match=r"line 1: accuracy: .*got 'high'"):
        read_run_record(folder)


@pytest.mark.parametrize("damaged", ["settings.toml", "clients.json"])
def test_other_damage_names_the_file(tmp_path, damaged):
    folder = write_run(tmp_path / "run", [])
    (folder / damaged).write_text("= [")
    with pytest.raises(RunFolderError, match=damaged):
        read_run_record(folder)


def test_a_folder_without_settings_is_refused(tmp_path):
    with pytest.raises(RunFolderError, match=r"settings\.toml: expected a run's settings"):
        read_run_record(tmp_path)


def test_absent_files_are_tolerated(tmp_path):
    nodes = {"0": node(0, 0.5)}
    folder = write_run(tmp_path / "run", [round_of(1, (0.5, 0.5), nodes=nodes, accuracy=None)])
    (folder / "clients.json").unlink()
    run = read_run_record(folder)
    assert list(run.clients) == [0]
    assert run.last is None
    assert run.latest(0) == (1, run.rounds[0].nodes[0])
    (folder / "rounds.jsonl").unlink()
    assert read_run_record(folder).rounds == ()


def test_without_a_clients_file_the_journal_describes_them(tmp_path):
    folder = write_run(tmp_path / "run", [round_of(1, (0.5, 0.9)), failed_round(2, {1: "gone"})])
    (folder / "clients.json").unlink()
    clients = read_run_record(folder).clients
    assert [(c.model, c.test_samples) for c in clients.values()] == [("cnn", 10), ("resnet4", 30)]


def test_last_is_the_last_round_that_reported_and_best_the_first_of_equals(tmp_path):
    lines = [round_of(1, (0.5, 0.9)), round_of(2, (0.5, 0.9)), round_of(3, (0.5, 0.8))]
    run = read_run_record(write_run(tmp_path / "run", [*lines, failed_round(4, {0: "a", 1: "b"})]))
    assert run.best is not None
    assert run.last is not None
    assert (run.last.round_number, run.best.round_number) == (3, 1)
    assert run.rounds[3].failures == {0: "a", 1: "b"}


def test_trained_leaves_out_failures_and_clients_that_were_only_evaluated(tmp_path):
    line = round_of(1, (0.5, 0.9))
    line["nodes"]["0"] = node(0, 0.5, took_part=False)
    run = read_run_record(write_run(tmp_path / "run", [line, failed_round(2, {1: "gone"})]))
    assert [n.model for n in run.trained()] == ["resnet4"]
    assert run.trained(0) == []


def test_of_a_round_run_twice_the_later_line_counts(tmp_path):
    run = read_run_record(
        write_run(tmp_path / "run", [round_of(1, (0.1, 0.1)), round_of(1, (0.5, 0.5))])
    )
    assert [line.accuracy for line in run.rounds] == [0.5]
    assert "twice" in run.notes[0]


def test_a_line_in_memory_reads_as_one_from_the_file(tmp_path):
    line = round_of(1, (0.5, 0.9))
    folder = write_run(tmp_path / "run", [json.loads(json.dumps(line))])
    assert line_of(line) == read_run_record(folder).rounds[0]
