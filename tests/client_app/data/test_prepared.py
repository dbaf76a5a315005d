import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from client_app.data import digits, pfllib, prepared
from client_app.data.client_data import ClientData
from strategies.common import tensor_file
from strategies.common.errors import DataError, SettingsError, StoreError
from strategies.common.inputs import Images, Inputs, Tokens, Windows
from strategies.common.settings import RunSettings
from tests.fresh_processes import FreshProcesses

Build = Callable[..., RunSettings]
ROOT = Path(__file__).parents[3]

# Loads in a process of its own, and says which heavy libraries that took.
PROBE = """
import json, sys
from pathlib import Path
from client_app.data import prepared
from strategies.common.run_config import read_run
data = prepared.load(read_run(json.loads(sys.argv[1])), "digits", 1, 5, Path(sys.argv[2]))
heavy = ("datasets", "flwr_datasets", "sklearn", "torchvision", "PIL", "pyarrow", "pandas", "scipy")
print(len(data.train), [name for name in heavy if name in sys.modules])
"""


def _same(first: ClientData, second: ClientData) -> bool:
    pairs = [
        (first.train.inputs, second.train.inputs),
        (first.train.labels, second.train.labels),
        (first.test.inputs, second.test.inputs),
        (first.test.labels, second.test.labels),
    ]
    return all(a.dtype == b.dtype and torch.equal(a, b) for a, b in pairs) and (
        (first.num_classes, first.class_names) == (second.num_classes, second.class_names)
    )


def _assert_same_tensors(here: Path, there: Path) -> None:
    ours, theirs = tensor_file.read(here)[0], tensor_file.read(there)[0]
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert tensor.numpy().tobytes() == theirs[name].numpy().tobytes()


def _probe(config: dict[str, Any], cache: Path, fresh_processes: FreshProcesses) -> str:
    general = {key: value for key, value in config.items() if "." not in key}
    done = fresh_processes.run("-c", PROBE, json.dumps(general), str(cache), strict=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _pfllib(place: Path, channels: int = 1, size: tuple[int, int] = (4, 4)) -> Path:
    for client in range(2):
        for part, count in (("train", 60), ("test", 20)):
            (place / part).mkdir(parents=True, exist_ok=True)
            data = np.empty((), dtype=object)
            x = np.arange(count, dtype=np.float32).reshape(-1, 1, 1, 1)
            data[()] = {"x": np.tile(x, (1, channels, *size)), "y": np.arange(count) % (3 + client)}
            np.savez(place / part / f"{client}.npz", data=data)
    return place


def _pictures(place: Path) -> Path:
    for name, value in (("cats", 10), ("dogs", 200)):
        (place / name).mkdir(parents=True)
        for number in range(20):
            pixels = np.full((6, 5, 3), value + number, dtype=np.uint8)
            Image.fromarray(pixels).save(place / name / f"{number:02}.png")
    return place


def test_digits_of_one_client(run_settings: Build, tmp_path: Path) -> None:
    data = prepared.load(run_settings(partition="iid"), "digits", 0, 5, tmp_path)
    # 1797 over 5 clients: 360 for the first, a quarter of them to test on.
    assert data.train.inputs.shape == (270, 1, 8, 8)
    assert data.test.inputs.shape == (90, 1, 8, 8)
    assert data.train.inputs.dtype == torch.uint8
    assert data.train.labels.dtype == torch.int64
    assert data.num_classes == 10
    assert data.class_names == tuple("0123456789")
    assert data.notes == ()


def test_all_digits_reach_exactly_one_split_of_one_client(
    run_settings: Build, tmp_path: Path
) -> None:
    from sklearn.datasets import load_digits

    chosen = run_settings()
    clients = [prepared.load(chosen, "digits", k, 4, tmp_path) for k in range(4)]
    parts = [part for data in clients for part in (data.train, data.test)]
    found = torch.cat([part.inputs for part in parts]).flatten(1).double().mul(16 / 255).round()
    labels = torch.cat([part.labels for part in parts])
    expected = np.column_stack([load_digits().data, load_digits().target])
    ours = np.column_stack([found.numpy(), labels.numpy()])
    assert sorted(map(tuple, ours.tolist())) == sorted(map(tuple, expected.tolist()))


def test_the_second_load_reads_the_file(
    run_settings: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = run_settings(partition="shards")
    first = prepared.load(chosen, "digits", 1, 5, tmp_path)
    assert first.notes == ("partition shards: 7 of 1797 samples went to no client",)
    monkeypatch.delattr(digits, "read")
    second = prepared.load(chosen, "digits", 1, 5, tmp_path)
    assert _same(first, second)
    assert second.notes == first.notes


@pytest.mark.thorough
def test_processes_agree_and_a_hit_imports_nothing_heavy(
    run_settings: Build,
    config: dict[str, Any],
    tmp_path: Path,
    fresh_processes: FreshProcesses,
) -> None:
    data = prepared.load(run_settings(), "digits", 1, 5, tmp_path / "here")
    assert _probe(config, tmp_path / "here", fresh_processes) == f"{len(data.train)} []"
    # The probe can fail: without the file it imports what it needs.
    imported = _probe(config, tmp_path / "there", fresh_processes)
    assert "'datasets', 'flwr_datasets', 'sklearn'" in imported
    (here,) = (tmp_path / "here").glob("*/1.safetensors")
    (there,) = (tmp_path / "there").glob("*/1.safetensors")
    assert here.parent.name == there.parent.name
    _assert_same_tensors(here, there)


def test_what_preparing_imports_is_imported_unless_all_is_prepared(
    run_settings: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported: list[str] = []

    def importing(name: str) -> None:
        imported.append(name)
        if name == "flwr_datasets":
            raise ImportError(name)

    prepared.load(run_settings(), "digits", 0, 2, tmp_path)
    monkeypatch.setattr(prepared, "import_module", importing)
    prepared.import_for(run_settings(), 2, tmp_path)
    assert imported == ["sklearn.datasets", "flwr_datasets"]

    monkeypatch.undo()
    prepared.load(run_settings(), "digits", 1, 2, tmp_path)
    monkeypatch.setattr(prepared, "import_module", importing)
    prepared.import_for(run_settings(), 2, tmp_path)
    # Nothing is there to read, which is for the clients to say.
    prepared.import_for(run_settings(data=f"parquet:{tmp_path}/nowhere"), 2, tmp_path)
    assert len(imported) == 2


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty"])
def test_a_damaged_file_is_named_and_made_again(
    run_settings: Build, tmp_path: Path, damage: str
) -> None:
    chosen = run_settings()
    first = prepared.load(chosen, "digits", 1, 5, tmp_path)
    (stored,) = tmp_path.glob("*/1.safetensors")
    whole = stored.read_bytes()
    flipped = whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:]
    stored.write_bytes({"flip": flipped, "truncate": whole[:-9], "empty": b""}[damage])
    again = prepared.load(chosen, "digits", 1, 5, tmp_path)
    assert _same(first, again)
    assert len(again.notes) == 1
    assert "1.safetensors" in again.notes[0]
    assert "prepared again" in again.notes[0]
    assert _same(first, prepared.load(chosen, "digits", 1, 5, tmp_path))
    assert prepared.load(chosen, "digits", 1, 5, tmp_path).notes == ()


def test_an_unwritable_folder_is_named(run_settings: Build, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"kept in .*/file/cache: .*; make that folder writable"):
        prepared.load(run_settings(), "digits", 0, 5, tmp_path / "file" / "cache")


def test_a_limit_and_a_size(run_settings: Build, tmp_path: Path) -> None:
    chosen = run_settings(max_samples=40, image_size=12)
    data = prepared.load(chosen, "digits", 0, 5, tmp_path)
    assert data.train.inputs.shape == (30, 1, 12, 12)
    assert data.test.inputs.shape == (10, 1, 12, 12)


def test_digits_in_colour(run_settings: Build, tmp_path: Path) -> None:
    grey = prepared.load(run_settings(max_samples=40), "digits", 0, 5, tmp_path)
    data = prepared.load(run_settings(max_samples=40, channels=3), "digits", 0, 5, tmp_path)
    assert torch.equal(data.train.inputs, grey.train.inputs.expand(-1, 3, -1, -1))
    # The rows are dealt alike, from the same data.
    assert data.dealt == grey.dealt != ""


def test_questions_are_not_asked_about_grey_pictures(run_settings: Build, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"channels: expected 0 or 3 with questions.* got 1"):
        prepared.load(run_settings(channels=1), "digitgrid:function", 0, 5, tmp_path)


def test_seeds_and_clients_differ(run_settings: Build, tmp_path: Path) -> None:
    loads = [
        prepared.load(run_settings(partition="iid", seed=seed), "digits", k, 5, tmp_path)
        for seed, k in ((0, 0), (1, 0), (0, 1))
    ]
    assert not _same(loads[0], loads[1])
    assert not _same(loads[0], loads[2])


def test_an_unknown_source(run_settings: Build, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="the known ones are digits"):
        prepared.load(run_settings(), "mnist", 0, 5, tmp_path)


def test_a_device_with_its_own_images(run_settings: Build, tmp_path: Path) -> None:
    place = _pictures(tmp_path / "photos")
    (place / "cats" / "00.png").write_bytes(b"broken")
    chosen = run_settings(partition="dirichlet", test_fraction=0.25)
    for _ in range(2):
        data = prepared.load(chosen, f"folder:{place}", 3, 5, tmp_path / "cache")
        # 39 readable ones, whatever the partition: 9.75 rounds to 10 to test on.
        assert (len(data.train), len(data.test)) == (29, 10)
        assert data.train.inputs.shape[1:] == (3, 6, 5)
        assert data.class_names == ("cats", "dogs")
        assert data.notes == (
            "folder: 1 of 40 files left out: 1 that cannot be decoded (cats/00.png)",
        )
    # Labels still belong to their images.
    for part in (data.train, data.test):
        assert torch.equal(part.labels, (part.inputs[:, 0, 0, 0] >= 200).long())
    assert data.test.labels.bincount().tolist() == [5, 5]


def test_too_few_own_images(run_settings: Build, tmp_path: Path) -> None:
    place = _pictures(tmp_path / "photos")
    chosen = run_settings(min_train_samples=31, min_test_samples=4)
    with pytest.raises(DataError, match=r"photos: client 0: .* 31 .* got 30 and 10; add samples"):
        prepared.load(chosen, f"folder:{place}", 0, 5, tmp_path / "cache")


def test_own_images_are_limited_before_they_are_read(run_settings: Build, tmp_path: Path) -> None:
    place = _pictures(tmp_path / "photos")
    chosen = run_settings(max_samples=16)
    data = prepared.load(chosen, f"folder:{place}", 0, 5, tmp_path / "cache")
    assert len(data.train) + len(data.test) == 16


def test_published_clients(run_settings: Build, tmp_path: Path) -> None:
    place = _pfllib(tmp_path / "data")
    (place / "config.json").write_text('{"num_classes": 7}')
    data = prepared.load(run_settings(), f"pfllib:{place}", 1, 2, tmp_path / "cache")
    assert (len(data.train), len(data.test)) == (60, 20)
    assert data.num_classes == 7
    assert data.class_names == tuple("0123456")
    assert data.train.inputs.dtype == torch.float32
    again = prepared.load(run_settings(), f"pfllib:{place}", 1, 2, tmp_path / "cache")
    assert _same(data, again)


def test_undeclared_classes_are_counted_once(
    run_settings: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, cache = _pfllib(tmp_path / "data"), tmp_path / "cache"
    # Client 0 has classes 0 to 2, client 1 has 0 to 3: both must say 4.
    assert prepared.load(run_settings(), f"pfllib:{place}", 0, 2, cache).num_classes == 4
    monkeypatch.delattr(pfllib, "scanned_classes")
    assert prepared.load(run_settings(), f"pfllib:{place}", 1, 2, cache).num_classes == 4


def test_a_damaged_count_is_made_again(run_settings: Build, tmp_path: Path) -> None:
    place, cache = _pfllib(tmp_path / "data"), tmp_path / "cache"
    prepared.load(run_settings(), f"pfllib:{place}", 0, 2, cache)
    (count,) = cache.glob("*/classes.safetensors")
    count.write_bytes(b"")
    assert prepared.load(run_settings(), f"pfllib:{place}", 1, 2, cache).num_classes == 4


def test_labels_beyond_the_declared_classes(run_settings: Build, tmp_path: Path) -> None:
    place = _pfllib(tmp_path / "data")
    (place / "config.json").write_text('{"num_classes": 3}')
    with pytest.raises(
        DataError, match=r"below the 3 classes of config.json, client 1 has \d+ of \d+ t"
    ):
        prepared.load(run_settings(), f"pfllib:{place}", 1, 2, tmp_path / "cache")


def test_a_limit_keeps_the_published_proportion(run_settings: Build, tmp_path: Path) -> None:
    place = _pfllib(tmp_path / "data")
    chosen = run_settings(max_samples=40, image_size=8)
    data = prepared.load(chosen, f"pfllib:{place}", 0, 2, tmp_path / "cache")
    # A quarter of the 80 published samples are to test on, so 10 of 40.
    assert data.train.inputs.shape == (30, 1, 8, 8)
    assert data.test.inputs.shape == (10, 1, 8, 8)
    # Inputs are numbered, and sample i has class i modulo 3.
    numbers = data.train.inputs[:, 0, 0, 0].round().long()
    assert torch.equal(data.train.labels, numbers % 3)


def _texts(place: Path, test_length: int = 7) -> Path:
    for part, length in (("train", 7), ("test", test_length)):
        (place / part).mkdir(parents=True)
        data = np.empty((), dtype=object)
        data[()] = {"x": np.arange(20 * length).reshape(20, length) % 50, "y": np.arange(20) % 2}
        np.savez(place / part / "0.npz", data=data)
    (place / "config.json").write_text('{"num_classes": 2, "vocabulary": 60}')
    return place


def test_texts_come_back_with_their_vocabulary(run_settings: Build, tmp_path: Path) -> None:
    place = _texts(tmp_path / "data")
    for _ in ("prepared", "read back"):
        data = prepared.load(run_settings(), f"pfllib:{place}", 0, 1, tmp_path / "cache")
        assert data.inputs == Tokens(7, 60)
        assert data.train.inputs.dtype == torch.int64
        assert data.train.inputs[1].tolist() == [7, 8, 9, 10, 11, 12, 13]


def test_texts_of_two_lengths_are_refused(run_settings: Build, tmp_path: Path) -> None:
    place = _texts(tmp_path / "data", test_length=9)
    with pytest.raises(DataError, match=r"client 0: expected x of one shape .* \(7,\) and \(9,\)"):
        prepared.load(run_settings(), f"pfllib:{place}", 0, 1, tmp_path / "cache")


@pytest.mark.parametrize(
    ("channels", "size", "inputs"), [(9, (4, 4), Images(9, 4, 4)), (1, (1, 128), Windows(1, 128))]
)
def test_signals_are_not_resized(
    run_settings: Build, tmp_path: Path, channels: int, size: tuple[int, int], inputs: Inputs
) -> None:
    place = _pfllib(tmp_path / "data", channels, size)
    data = prepared.load(run_settings(), f"pfllib:{place}", 0, 2, tmp_path / "cache")
    assert data.inputs == inputs
    assert data.train.inputs.shape == (60, *inputs.shape)
    with pytest.raises(DataError, match="image-size: expected 0 for inputs that are no pictures"):
        prepared.load(run_settings(image_size=8), f"pfllib:{place}", 0, 2, tmp_path / "cache")
    with pytest.raises(
        DataError, match=r"channels: expected 0 for inputs that are no .*, got 3 for"
    ):
        prepared.load(run_settings(channels=3), f"pfllib:{place}", 0, 2, tmp_path / "cache")
