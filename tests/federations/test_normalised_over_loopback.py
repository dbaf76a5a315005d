"""Whole federations whose clients measure in units of their own, from files to what leaves."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from loopback import Federation, without_clocks
from torch import Tensor

from client_app import export, predict
from client_app.data import pfllib
from client_app.exporting.opened import open_model
from client_app.store import ClientStore
from strategies.common.errors import FederationError

pytestmark = pytest.mark.federation

SMALL = {"feature-dim": 16, "batch-size": 4, "learning-rate": 0.1, "rounds": 2}
STEPS = 32
UNLIKE = "sensor_cnn1,sensor_resnet"


def written(
    place: Path,
    more: int = 0,
    units: tuple[float, ...] = (1.0, 1000.0),
    steps: int = STEPS,
    height: int = 1,
) -> Path:
    """Write two clients, of which the second measures in other units and from another zero.

    Classes differ in the sign of all channels but the last, which never varies.
    """
    randomness = np.random.default_rng(0)
    for client, unit in enumerate(units):
        for part, count in (("train", 20 + more), ("test", 12)):
            (place / part).mkdir(parents=True, exist_ok=True)
            labels = np.arange(count) % 2
            length = steps if client else STEPS
            noise = randomness.normal(0, 0.5, (count, 3, height, length))
            x = unit * (noise + 2 * labels[:, None, None, None] + 5 * client)
            x[:, -1] = 7.0
            data = np.empty((), dtype=object)
            data[()] = {"x": x.astype(np.float32), "y": labels}
            np.savez(place / part / f"{client}.npz", data=data)
    (place / "config.json").write_text(json.dumps({"num_classes": 2}))
    return place


def federation(folder: Path, data: Path, method: str, **changes: object) -> Federation:
    chosen = {"method": method, "models": UNLIKE, "data": f"pfllib:{data}"}
    named = {key.replace("_", "-"): value for key, value in changes.items()}
    return Federation(folder, 2, {**SMALL, **chosen, "normalise": "channels", **named})  # type: ignore[dict-item]


def scale(folder: Path, client: int) -> dict[str, list[float]]:
    kept = ClientStore(folder / "state" / "test" / str(client)).newest().beside
    return {name: own.tolist() for name, own in kept.items()}


def accuracy(model: Path, inputs: Tensor, labels: Tensor) -> float:
    with torch.no_grad():
        return float(open_model(model).network(inputs).argmax(1).eq(labels).double().mean())


@pytest.mark.parametrize(
    ("method", "models"),
    [("fd", UNLIKE), ("fedproto", "sensor_gru,sensor_cnn1"), ("fedavg", "sensor_resnet")],
)
def test_what_leaves_reads_raw_windows_as_the_client_was_tested(
    tmp_path: Path, method: str, models: str
) -> None:
    data = written(tmp_path / "har")
    run = federation(tmp_path, data, method, models=models)
    last = run.play()[-1]
    for client in (0, 1):
        out = tmp_path / f"model-{client}"
        words = [str(tmp_path / "state" / "test"), f"--partition={client}", f"--out={out}"]
        assert export.main([*words, f"--server={run.run_folder}"]) == 0
        test = pfllib.read(data, client)[1]
        # In units of this client's own, and nothing beside the network to know of them.
        found = accuracy(out, test.inputs, test.labels)
        assert found == last["nodes"][str(client)]["accuracy"]
        assert open_model(out).card.normalises
    # A constant channel is divided by 1.
    assert scale(tmp_path, 1)["deviation"][2] == 1.0
    assert scale(tmp_path, 1)["mean"][2] == 7.0
    assert scale(tmp_path, 0) != scale(tmp_path, 1)


def test_no_message_carries_it(tmp_path: Path) -> None:
    run = federation(tmp_path, written(tmp_path / "har"), "fedavg", models="sensor_resnet")
    run.play()
    every = [*run.grid.sent, *run.grid.arrived]
    carried = [record for message in every for record in message.content.array_records.values()]
    blobs = [array.data for record in carried for array in record.values()]
    assert len(blobs) >= 4
    for client in (0, 1):
        for name in ("mean", "deviation"):
            for value in scale(tmp_path, client)[name][:2]:
                secret = np.float32(value).tobytes()
                assert not any(secret in blob for blob in blobs)
    # Nor is the range told, of which units are the most part.
    told = [m.content.config_records.get("description") for m in run.grid.arrived]
    ranges = [record["highest"] for record in told if record and "highest" in record]
    assert not any(ranges)


def test_a_resumed_run_ends_as_an_uninterrupted_one_and_new_samples_change_no_scale(
    tmp_path: Path,
) -> None:
    whole = federation(tmp_path / "whole", written(tmp_path / "har"), "fedproto").play()
    parts = tmp_path / "parts"
    federation(parts, tmp_path / "har", "fedproto", rounds=1).play()
    began = scale(parts, 1)
    resumed = federation(parts, tmp_path / "har", "fedproto", resume=True).play()
    assert without_clocks(resumed[-1]) == without_clocks(whole[-1])
    written(tmp_path / "har", more=10)
    federation(parts, tmp_path / "har", "fedproto", resume=True, rounds=3).play()
    assert ClientStore(parts / "state" / "test" / "1").newest().round_number == 3
    assert scale(parts, 1) == began


def test_unlike_units_are_refused_where_nothing_is_normalised(tmp_path: Path) -> None:
    run = federation(tmp_path, written(tmp_path / "har"), "fd", normalise="none")
    with pytest.raises(FederationError, match="in the same unit"):
        run.play()


def test_unlike_lengths_are_refused_until_they_are_resampled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = written(tmp_path / "har", steps=40)
    with pytest.raises(
        FederationError, match=r"40 steps long, the others' 32: set window-length=32"
    ):
        federation(tmp_path / "one", data, "fd").play()
    folder, out = tmp_path / "two", tmp_path / "model"
    last = federation(folder, data, "fd", window_length=36).play()[-1]
    words = [str(folder / "state" / "test"), "--partition=1", f"--out={out}"]
    assert export.main(words) == 0
    assert open_model(out).card.window_length == 36
    # What leaves is given windows as the sensors have them.
    test = pfllib.read(data, 1)[1]
    np.save(tmp_path / "test.npy", test.inputs.numpy())
    capsys.readouterr()
    assert predict.main([str(out), str(tmp_path / "test.npy")]) == 0
    told = [line.split("  ")[1] for line in capsys.readouterr().out.splitlines()]
    right = [int(name) == label for name, label in zip(told, test.labels.tolist(), strict=True)]
    assert sum(right) / len(right) == last["nodes"]["1"]["accuracy"]


@pytest.mark.parametrize(("key", "value"), [("normalise", "channels"), ("window-length", 64)])
def test_images_are_refused_before_anything_is_learnt(
    tmp_path: Path, key: str, value: str | int
) -> None:
    data = written(tmp_path / "pictures", height=8, units=(1.0, 1.0))
    small = {"method": "fd", "models": "cnn", "data": f"pfllib:{data}", "rounds": 1}
    run = Federation(tmp_path, 2, {**small, key: value})
    with pytest.raises(FederationError, match=rf"node 100.*setting {key}: expected .* for images"):
        run.play()
    assert not (run.run_folder / "rounds.jsonl").exists()
