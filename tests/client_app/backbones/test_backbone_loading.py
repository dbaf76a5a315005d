import json
import shutil
import sys
from pathlib import Path

import huggingface_hub
import pytest
import safetensors.torch
import tiny_backbones as tiny
import torch

from client_app.backbones import loading
from strategies.common.adapters.backbone import Backbone
from strategies.common.errors import ModelError, SettingsError

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tmp_path_factory.mktemp("saved"), "vilt")


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "model"))


def load(folder: Path) -> Backbone:
    return loading.load(f"folder:{folder}", CPU, folder)


# One load per process


def test_two_loads_share_one_module(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(folder)
    assert load(folder) is first
    monkeypatch.chdir(folder.parent)
    assert load(Path("model")) is first


def test_a_changed_folder_is_loaded_anew(folder: Path) -> None:
    first = load(folder)
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    weights["layernorm.bias"] += 1
    safetensors.torch.save_file(weights, folder / "model.safetensors", {"format": "pt"})
    second = load(folder)
    assert second.sha256 != first.sha256
    assert not torch.equal(first.module.layernorm.bias, second.module.layernorm.bias)


def test_another_folder_with_the_same_model_has_the_same_digest(
    folder: Path, tmp_path: Path
) -> None:
    first = load(folder)
    from transformers import ViltModel

    sharded = tmp_path / "sharded"
    shutil.copytree(folder, sharded, ignore=shutil.ignore_patterns("*.safetensors"))
    ViltModel.from_pretrained(folder).save_pretrained(sharded, max_shard_size="10KB")
    assert len(list(sharded.glob("model-*.safetensors"))) > 1
    assert load(sharded).sha256 == first.sha256


@pytest.mark.parametrize(
    ("file", "key", "value"),
    [
        ("config.json", "layer_norm_eps", 1e-6),
        ("preprocessor_config.json", "image_mean", [0.1, 0.1, 0.1]),
    ],
)
def test_the_digest_covers_what_decides_the_features(
    file: str, key: str, value: object, folder: Path
) -> None:
    first = load(folder).sha256
    changed = json.loads((folder / file).read_text()) | {key: value}
    (folder / file).write_text(json.dumps(changed))
    assert load(folder).sha256 != first


def test_the_digest_covers_the_vocabulary(folder: Path) -> None:
    first = load(folder).sha256
    tiny.tokenizer((*tiny.WORDS[:-1], "!")).save_pretrained(folder)
    assert load(folder).sha256 != first


# What is refused


def test_a_pickle_is_refused_and_never_opened(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"anything")
    with pytest.raises(ModelError, match=r"got pytorch_model\.bin, a pickle.*save_pretrained"):
        load(folder)


def test_a_pickle_beside_safetensors_is_not_looked_at(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"anything")
    load(folder)


def test_a_missing_shard_is_named(folder: Path) -> None:
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match=r"expected model-1\.safetensors, found none"):
        load(folder)


def test_an_index_names_files_of_its_own_folder(folder: Path) -> None:
    index = {"weight_map": {"a": "../other/model.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match="expected names of files beside it"):
        load(folder)


def test_missing_weights_are_not_replaced_by_random_ones(folder: Path) -> None:
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    safetensors.torch.save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"another shape for encoder\.layer\.1\.output\.dense"):
        load(folder)


def test_weights_of_another_shape_are_refused(folder: Path) -> None:
    tiny.configure(folder, intermediate_size=20)
    with pytest.raises(ModelError, match=r"another shape for encoder\.layer\.0\.intermediate"):
        load(folder)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"absent: expected a folder in the layout"):
        load(tmp_path / "absent")


def test_a_folder_without_configuration_is_named(folder: Path) -> None:
    (folder / "config.json").unlink()
    with pytest.raises(ModelError, match=r"expected a config\.json, found none"):
        load(folder)


def test_a_folder_without_tokenizer_is_named(folder: Path) -> None:
    for file in folder.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(ModelError, match="expected a tokenizer beside the weights"):
        load(folder)


def test_an_unknown_architecture_is_refused_with_the_known_ones(folder: Path) -> None:
    tiny.configure(folder, model_type="llama")
    with pytest.raises(ModelError, match="expected one of blip, clip, siglip, vilt, got llama"):
        load(folder)


@pytest.mark.parametrize("spec", ["", "vilt", "folder:", "hub:", "file:x"])
def test_an_unknown_kind_of_name_is_refused(spec: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="expected digitgrid, folder:<dir> or hub:<id>"):
        loading.load(spec, CPU, tmp_path)


def test_without_transformers_the_extra_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ModelError, match="install the project with its feddat extra"):
        load(folder)


# Where names lead


def test_digitgrid_is_looked_for_in_the_cache(folder: Path, tmp_path: Path) -> None:
    cache = loading.cache_folder(tmp_path / "state")
    assert cache == tmp_path / "state" / "backbones"
    with pytest.raises(
        ModelError, match=r"make it with: python -m client_app\.pretrain_backbone --out .*digitgrid"
    ):
        loading.load("digitgrid", CPU, cache)
    shutil.copytree(folder, cache / "digitgrid")
    assert loading.load("digitgrid", CPU, cache).sha256 == load(folder).sha256


def test_a_hub_model_is_found_in_the_librarys_own_cache_offline(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    repository = tmp_path / "hub" / "models--some--model"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("c0ffee")
    shutil.copytree(folder, repository / "snapshots" / "c0ffee")
    monkeypatch.setattr(
        "huggingface_hub.snapshot_download",
        lambda name, **wanted: huggingface_hub._snapshot_download.snapshot_download(
            name, cache_dir=tmp_path / "hub", **wanted
        ),
    )
    assert loading.load("hub:some/model", CPU, tmp_path).sha256 == load(folder).sha256


def test_a_hub_model_that_cannot_be_fetched_tells_the_way_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str, **wanted: object) -> str:
        raise OSError(f"offline: {name}")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    with pytest.raises(ModelError, match=r"copy the model's folder and name it folder:<dir>"):
        loading.load("hub:absent/model", CPU, tmp_path)


def test_pickles_are_not_downloaded(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, list[str]] = {}

    def download(name: str, **wanted: list[str]) -> str:
        asked.update(wanted)
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    first = loading.load("hub:asked/model", CPU, tmp_path)
    monkeypatch.delattr("huggingface_hub.snapshot_download")
    assert loading.load("hub:asked/model", CPU, tmp_path) is first  # asked once per process
    names = ["model.safetensors", "config.json", "pytorch_model.bin", "onnx/model.safetensors"]
    kept = huggingface_hub.utils.filter_repo_objects(names, **asked)
    assert list(kept) == ["model.safetensors", "config.json"]


# Parts that do not go together


@pytest.mark.parametrize(
    ("file", "change", "told"),
    [
        ("tokenizer_config.json", {"model_max_length": 2.5}, "TypeError from a trial"),
        ("tokenizer_config.json", {"model_max_length": "text"}, "TypeError from a trial"),
        # A mark that the network has no embedding for.
        ("tokenizer_config.json", {"sep_token": "text"}, "IndexError from a trial"),
    ],
)
def test_what_does_not_go_together_is_refused_when_it_is_loaded(
    folder: Path, file: str, change: dict[str, object], told: str
) -> None:
    path = folder / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ModelError, match=rf"backbone .*model: expected weights, .*{told}.*again"):
        load(folder)


def test_features_of_another_width_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from client_app.backbones.vilt import Vilt

    monkeypatch.setattr(Vilt, "features", lambda *_: torch.zeros(1, 3))
    with pytest.raises(ModelError, match=r"features \(1, 3\) in place of \(1, 16\)"):
        load(folder)
