"""Bad settings and bad devices: refused with the place named, nothing lost, others go on."""

import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from loopback import Federation

from strategies.common.errors import FederationError, NectarError, RunFolderError, SettingsError

pytestmark = pytest.mark.federation

TINY = {"method": "local", "models": "cnn", "max-samples": 60, "rounds": 1}


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (
            {"method": "fedavgg"},
            ["setting method", "'fedavgg'", "local, fedavg, fedktl, fedproto"],
        ),
        ({"models": "cnn,resnet5"}, ["setting models", "'resnet5'", "resnet4"]),
        ({"data": "digitz"}, ["data", "'digitz'", "digits", "parquet"]),
        ({"generator": "gan"}, ["generator", "'gan'", "oriented"]),
        ({"partition": "random"}, ["setting partition", "'iid'", "'random'"]),
        ({"batchsize": 4}, ["setting batchsize", "unknown", "batch-size"]),
        ({"learning-rate": -1.0}, ["setting learning-rate", "greater than 0", "-1.0"]),
        ({"rounds": "many"}, ["setting rounds", "integer", "'many'"]),
        ({"run-name": "../up"}, ["setting run-name", "'../up'"]),
        ({"method": "fedktl", "fedktl.margin": 9.0}, ["setting fedktl.margin", "1.5", "9.0"]),
        ({"method": "fedktl", "fedktl.mu": 1.0}, ["setting fedktl.mu", "transfer-weight"]),
        ({"method": "fedktl", "oriented.image-size": 20}, ["oriented.image-size", "20"]),
    ],
)
def test_a_bad_setting_is_refused_before_any_message(
    tmp_path: Path, overrides: dict[str, Any], words: list[str]
) -> None:
    played = Federation(tmp_path, 2, {**TINY, **overrides})
    with pytest.raises(SettingsError) as refused:
        played.play()
    for word in words:
        assert word in str(refused.value)
    assert not played.grid.sent
    assert not (tmp_path / "runs").exists()


def test_an_unwritable_runs_folder_is_refused_before_any_message(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file where the folder should be")
    played = Federation(tmp_path, 2, TINY)
    with pytest.raises(RunFolderError, match="runs-dir"):
        played.play()
    assert not played.grid.sent


def test_a_run_is_never_overwritten(tmp_path: Path) -> None:
    lines = Federation(tmp_path, 2, TINY).play()
    with pytest.raises(RunFolderError, match="resume=true"):
        Federation(tmp_path, 2, TINY).play()
    assert Federation(tmp_path, 2, TINY).lines() == lines


def test_more_clients_than_the_data_allow_is_an_error_with_the_numbers(tmp_path: Path) -> None:
    played = Federation(tmp_path, 200, {**TINY, "max-samples": 0, "min-nodes": 2})
    played.grid.node_configs = dict(list(played.grid.node_configs.items())[:2])
    with pytest.raises(FederationError) as refused:
        played.play()
    assert "DataError" in str(refused.value)
    assert "200" in str(refused.value)


def play_beside_a_bad_node(folder: Path, **node_config: str) -> str:
    """Play with two good nodes and a bad one, and return why the bad one was left out."""
    played = Federation(folder, 3, {**TINY, "min-nodes": 2, "rounds": 2})
    bad = {key.replace("_", "-"): value for key, value in node_config.items()}
    played.grid.node_configs[102] = {**played.grid.node_configs[102], **bad}
    with pytest.MonkeyPatch.context() as patched:
        warnings: list[str] = []
        patched.setattr(
            "server_app.roster.log", lambda level, text, *args: warnings.append(text % args)
        )
        lines = played.play()
    for line in lines:
        assert {p for p, node in line["nodes"].items() if "failure" not in node} == {"0", "1"}
        # One that could say which client it is stands in every line as failed.
        assert set(line["nodes"]) <= {"0", "1", "2"}
    return " ".join(warnings)


def test_a_node_with_an_unwritable_state_folder_is_left_out_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    reason = play_beside_a_bad_node(tmp_path, state_dir=str(tmp_path / "file" / "state"))
    assert "node 102" in reason
    assert "StoreError" in reason
    assert "cannot be written" in reason


def test_a_node_with_an_unknown_model_is_left_out_by_name(tmp_path: Path) -> None:
    reason = play_beside_a_bad_node(tmp_path, model="resnet7")
    assert "node 102" in reason
    assert "'resnet7'" in reason


def test_a_node_with_a_pickle_that_would_run_code_is_left_out_and_runs_none(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return os.system, (f"touch {tmp_path / 'pwned'}",)

    for split in ("train", "test"):
        member = io.BytesIO()
        header = {"descr": "|O", "fortran_order": False, "shape": ()}
        np.lib.format.write_array_header_1_0(member, header)
        member.write(pickle.dumps(Payload()))
        (tmp_path / "data" / split).mkdir(parents=True)
        with zipfile.ZipFile(tmp_path / "data" / split / "2.npz", "w") as archive:
            archive.writestr("data.npy", member.getvalue())
    (tmp_path / "data" / "config.json").write_text('{"num_classes": 10}')

    reason = play_beside_a_bad_node(tmp_path, data=f"pfllib:{tmp_path / 'data'}")
    assert "node 102" in reason
    assert "2.npz" in reason
    assert not (tmp_path / "pwned").exists()


def test_a_node_whose_folder_has_no_images_is_left_out_by_name(tmp_path: Path) -> None:
    (tmp_path / "images" / "cats").mkdir(parents=True)
    reason = play_beside_a_bad_node(tmp_path, data=f"folder:{tmp_path / 'images'}")
    assert "node 102" in reason
    assert "the class folders 'cats' of images" in reason
    # Where it lies is the device's business.
    assert str(tmp_path) not in reason


def test_where_a_nodes_own_table_lies_is_its_own_business(tmp_path: Path) -> None:
    place = tmp_path / "anna meier" / "My Data"
    place.mkdir(parents=True)
    (place / "t.csv").write_text("kind,height\na,1.5\nb,2.5\n" * 20)
    (place / "t.classes.txt").write_bytes(b"\xff\xfe")
    reason = play_beside_a_bad_node(tmp_path, data=f"own-csv:{place / 't.csv'}")
    assert "node 102" in reason
    assert "t.classes.txt: expected UTF-8 text" in reason
    assert "anna" not in reason


def test_a_node_with_other_data_than_the_rest_is_left_out_by_name(tmp_path: Path) -> None:
    _images(tmp_path / "images")
    reason = play_beside_a_bad_node(tmp_path, data=f"folder:{tmp_path / 'images'}")
    assert "client 2 (cnn)" in reason
    assert "expected 10 classes of images of 1 x 8 x 8 " in reason


def test_devices_with_other_classes_are_refused_before_a_round_with_both_lists(
    tmp_path: Path,
) -> None:
    settings = {**TINY, "max-samples": 0, "min-train-samples": 2, "image-size": 16}
    played = Federation(tmp_path, 2, settings)
    for number, names in enumerate((("cats", "dogs"), ("dogs", "foxes"))):
        place = tmp_path / f"images-{number}"
        _images(place, names)
        node = played.grid.node_configs[100 + number]
        played.grid.node_configs[100 + number] = {**node, "data": f"folder:{place}"}
    with pytest.raises(FederationError) as refused:
        played.play()
    assert "expected the classes" in str(refused.value)
    for words in ("cats, dogs", "dogs, foxes", "missing here", "only here", "classes.txt"):
        assert words in str(refused.value)
    assert {message.metadata.message_type for message in played.grid.sent} == {"query"}


def test_one_broken_image_is_named_skipped_and_counted(tmp_path: Path) -> None:
    _images(tmp_path / "images")
    (tmp_path / "images" / "dogs" / "broken.png").write_bytes(b"not an image")
    data = {"data": f"folder:{tmp_path / 'images'}", "image-size": 16, "max-samples": 0}
    played = Federation(tmp_path, 1, {**TINY, **data, "min-train-samples": 2})
    node = played.play()[0]["nodes"]["0"]
    assert node["train_samples"] + node["test_samples"] == 24
    clients = (played.run_folder / "clients.json").read_text()
    assert "dogs/broken.png" in clients
    assert "1 of 25" in clients


def test_a_bad_node_config_names_the_key(tmp_path: Path) -> None:
    played = Federation(tmp_path, 1, TINY)
    played.grid.node_configs[100] = {"partition-id": 5, "num-partitions": 1}
    with pytest.raises(NectarError, match="node config partition-id: expected 0 to 0, got 5"):
        played.play()


def _images(folder: Path, names: tuple[str, ...] = ("cats", "dogs")) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    for name in names:
        (folder / name).mkdir(parents=True)
        for number in range(12):
            pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
