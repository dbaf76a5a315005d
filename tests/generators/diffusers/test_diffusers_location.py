"""From a folder or a hub id to a folder, without a network."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from generators.diffusers.location import locate_pipeline, locate_vae
from strategies.common.errors import GeneratorError


def test_a_folder_is_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert locate_pipeline(str(tmp_path)) == tmp_path
    monkeypatch.setenv("HOME", str(tmp_path.parent))
    assert locate_vae(f"~/{tmp_path.name}") == tmp_path


@pytest.mark.parametrize("source", ["nowhere", "./no/where", "/no/where", "a/b/c", "../a"])
def test_a_missing_folder_is_refused(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(GeneratorError, match=rf"{source}: no such folder; expected one, or a hub"):
        locate_pipeline(source)


def test_a_single_checkpoint_is_refused_with_how_to_read_it(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.touch()
    with pytest.raises(GeneratorError, match=r"expected a folder, got a file; .*from_single_file"):
        locate_pipeline(str(file))


@pytest.mark.parametrize(
    ("locate", "where"),
    [(locate_pipeline, "generator diffusers:"), (locate_vae, r"setting diffusers\.vae: ")],
)
def test_a_hub_id_without_a_network_is_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, locate: Callable[[str], Path], where: str
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        GeneratorError, match=f"{where}nobody/nothing: .*no network.*hf download nobody/nothing"
    ):
        locate("nobody/nothing")


def test_a_hub_id_is_downloaded_without_pickles_and_safety_checker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {}

    def download(hub_id: str, **options: Any) -> str:
        asked.update(options, hub_id=hub_id)
        return str(tmp_path)

    monkeypatch.setattr("diffusers.DiffusionPipeline.download", download)
    assert locate_pipeline("some-one/some.thing-1") == tmp_path
    assert asked["hub_id"] == "some-one/some.thing-1"
    assert asked["use_safetensors"] is True
    assert asked["safety_checker"] is None
    assert not {"custom_pipeline", "trust_remote_code"} & set(asked)
