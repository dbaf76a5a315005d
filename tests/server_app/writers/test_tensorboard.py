"""TensorBoard events of a run."""

import sys

import torch

from server_app.run_folder import RunFolder
from server_app.writers.round_writer import Summary
from server_app.writers.tensorboard import TensorBoardLog
from strategies.common.round import Picture
from tests.server_app.run_folders import failed_round, line_of, round_of

FINISHED = Summary(finished=True, rounds=2, accuracy=0.85)
NOTHING = Summary(finished=False, rounds=0, accuracy=None)


def _opened(folder, **options):
    board = TensorBoardLog(folder, **options)
    board.begin({"method": "fedktl", "seed": 3, "learning-rate": 0.1, "share-class-counts": True})
    return board


def _events(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return events


def _scalars(folder):
    events = _events(folder)
    return {
        tag: [(e.step, round(e.value, 4)) for e in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


def test_events_can_be_read_back(tmp_path):
    board = _opened(tmp_path)
    board.round(line_of(round_of(1, (0.6, 0.8))), {})
    board.round(line_of(round_of(2, (0.7, 0.9))), {})
    board.round(line_of(failed_round(3, {0: "gone", 1: "gone"})), {})
    board.end(NOTHING)
    assert _scalars(tmp_path) == {
        "accuracy/mean": [(1, 0.75), (2, 0.85)],
        "loss/mean": [(1, 0.25), (2, 0.15)],
        "accuracy/std": [(1, 0.1), (2, 0.1)],
        "accuracy/worst": [(1, 0.6), (2, 0.7)],
        "accuracy/client-0": [(1, 0.6), (2, 0.7)],
        "accuracy/client-1": [(1, 0.8), (2, 0.9)],
        # 30 and 90 training samples.
        "loss/train/mean": [(1, 0.4375), (2, 0.4375)],
        "loss/train/client-0": [(1, 0.25), (2, 0.25)],
        "loss/train/client-1": [(1, 0.5), (2, 0.5)],
        "bytes/up": [(1, 3000), (2, 3000), (3, 0)],
        "bytes/down": [(1, 80_000), (2, 80_000), (3, 0)],
        "seconds/wait": [(1, 1.0), (2, 1.0), (3, 1.0)],
        "seconds/replies": [(1, 3.0), (2, 3.0), (3, 3.0)],
        "seconds/total": [(1, 4.0), (2, 4.0), (3, 4.0)],
        "diagnostics/mmd_last": [(1, 0.5), (2, 0.25)],
    }


def test_a_round_is_on_disk_before_the_next(tmp_path):
    board = _opened(tmp_path)
    board.round(line_of(round_of(1, (0.6, 0.8))), {})
    assert _scalars(tmp_path)["accuracy/mean"] == [(1, 0.75)]
    board.end(NOTHING)


def test_without_tensorboard_there_is_one_note_and_nothing_else(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    board = _opened(tmp_path)
    board.round(line_of(round_of(1, (0.6, 0.8))), {})
    board.end(NOTHING)
    assert [r.message for r in caplog.records] == [
        "no TensorBoard events: install the server extra of Nectar for them"
    ]
    assert list(tmp_path.iterdir()) == []


def test_closing_twice_and_writing_afterwards_do_nothing(tmp_path):
    board = _opened(tmp_path)
    board.end(NOTHING)
    board.round(line_of(round_of(1, (0.6, 0.8))), {})
    board.end(NOTHING)
    assert _scalars(tmp_path) == {}


def test_settings_stand_beside_the_final_accuracy(tmp_path):
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    board = _opened(tmp_path)
    board.round(line_of(round_of(1, (0.6, 0.8))), {})
    board.round(line_of(round_of(2, (0.7, 0.9))), {})
    board.end(FINISHED)
    assert _scalars(tmp_path)["final/accuracy"] == [(2, 0.85)]
    # In the same folder: another one would count as another run.
    assert all(file.is_file() for file in tmp_path.iterdir())
    told = _events(tmp_path).SummaryMetadata("_hparams_/session_start_info")
    start = HParamsPluginData.FromString(told.plugin_data.content).session_start_info
    assert start.hparams["seed"].number_value == 3
    assert start.hparams["method"].string_value == "fedktl"
    assert start.hparams["learning-rate"].number_value == 0.1


def test_a_rounds_pictures_are_drawn_as_they_were_saved(tmp_path):
    import io

    import numpy as np
    from PIL import Image

    pixels = torch.arange(3 * 2 * 4, dtype=torch.uint8).reshape(3, 2, 4)
    folder = RunFolder(tmp_path, "run")
    folder.save_pictures(7, (Picture("class-1", pixels), Picture("class-0", pixels * 2)))
    assert folder.pictures_of(6) == {}
    board = _opened(tmp_path / "events")
    board.round(line_of(round_of(7, (0.6, 0.8))), folder.pictures_of(7))
    board.end(NOTHING)
    events = _events(tmp_path / "events")
    assert events.Tags()["images"] == ["images/class-0", "images/class-1"]
    (drawn,) = events.Images("images/class-1")
    assert (drawn.step, drawn.height, drawn.width) == (7, 2, 4)
    read = np.asarray(Image.open(io.BytesIO(drawn.encoded_image_string)))
    assert (read == pixels.permute(1, 2, 0).numpy()).all()


def test_a_resumed_run_draws_no_round_twice(tmp_path):
    board = _opened(tmp_path)
    for number in (1, 2, 3):
        board.round(line_of(round_of(number, (0.6, 0.8))), {})
    board.end(FINISHED)
    # TensorBoard reads files by name: second, host, process, number of the file.
    files = sorted(tmp_path.iterdir(), key=lambda file: int(file.name.rpartition(".")[2]))
    for number, file in enumerate(files):
        file.rename(tmp_path / f"events.out.tfevents.000000000{number}.here.1.0")
    board = _opened(tmp_path, first_round=2)
    for number in (2, 3):
        board.round(line_of(round_of(number, (0.7, 0.9))), {})
    board.end(NOTHING)
    assert _scalars(tmp_path)["accuracy/mean"] == [(1, 0.75), (2, 0.85), (3, 0.85)]
