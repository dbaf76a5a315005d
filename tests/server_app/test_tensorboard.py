"""TensorBoard events of a run."""

import sys

from server_app.tensorboard import TensorBoardLog
from tests.server_app.run_folders import failed_round, line_of, round_of


def _scalars(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {
        tag: [(e.step, round(e.value, 4)) for e in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


def test_events_can_be_read_back(tmp_path):
    board = TensorBoardLog(tmp_path)
    board.write(line_of(round_of(1, (0.6, 0.8))))
    board.write(line_of(round_of(2, (0.7, 0.9))))
    board.write(line_of(failed_round(3, {0: "gone", 1: "gone"})))
    board.close()
    assert _scalars(tmp_path) == {
        "accuracy/mean": [(1, 0.75), (2, 0.85)],
        "loss/mean": [(1, 0.25), (2, 0.15)],
        "accuracy/client-0": [(1, 0.6), (2, 0.7)],
        "accuracy/client-1": [(1, 0.8), (2, 0.9)],
        "bytes/up": [(1, 3000), (2, 3000), (3, 0)],
        "bytes/down": [(1, 80_000), (2, 80_000), (3, 0)],
        "seconds/wait": [(1, 1.0), (2, 1.0), (3, 1.0)],
        "seconds/replies": [(1, 3.0), (2, 3.0), (3, 3.0)],
        "seconds/total": [(1, 4.0), (2, 4.0), (3, 4.0)],
        "diagnostics/mmd_last": [(1, 0.5), (2, 0.25)],
    }


def test_a_round_is_on_disk_before_the_next(tmp_path):
    board = TensorBoardLog(tmp_path)
    board.write(line_of(round_of(1, (0.6, 0.8))))
    assert _scalars(tmp_path)["accuracy/mean"] == [(1, 0.75)]
    board.close()


def test_without_tensorboard_there_is_one_note_and_nothing_else(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    board = TensorBoardLog(tmp_path)
    board.write(line_of(round_of(1, (0.6, 0.8))))
    board.close()
    assert [r.message for r in caplog.records] == [
        "no TensorBoard events: install the server extra of Nectar for them"
    ]
    assert list(tmp_path.iterdir()) == []


def test_closing_twice_and_writing_afterwards_do_nothing(tmp_path):
    board = TensorBoardLog(tmp_path)
    board.close()
    board.write(line_of(round_of(1, (0.6, 0.8))))
    board.close()
    assert _scalars(tmp_path) == {}
