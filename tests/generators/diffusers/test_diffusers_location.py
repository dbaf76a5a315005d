"""From a folder or a hub id to a folder, without a network."""

from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from strategies.common.errors import GeneratorError


@pytest.fixture(scope="module")
def location() -> Any:
    """Return the module, whose library would cost every worker seconds before the first test."""
    from generators.diffusers import location

    return location


def test_a_folder_is_itself(location: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert location.locate_pipeline(str(tmp_path)) == tmp_path
    monkeypatch.setenv("HOME", str(tmp_path.parent))
    assert location.locate_vae(f"~/{tmp_path.name}") == tmp_path


@pytest.mark.parametrize("source", ["nowhere", "./no/where", "/no/where", "a/b/c", "../a"])
def test_a_missing_folder_is_refused(
    location: Any, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(GeneratorError, match=rf"{source}: no such folder; expected one, or a hub"):
        location.locate_pipeline(source)


def test_a_single_checkpoint_is_refused_with_how_to_read_it(location: Any, tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.touch()
    with pytest.raises(GeneratorError, match=r"expected a folder, got a file; .*from_single_file"):
        location.locate_pipeline(str(file))


@pytest.mark.parametrize(
    ("locate", "where"),
    [("locate_pipeline", "generator diffusers:"), ("locate_vae", r"setting diffusers\.vae: ")],
)
def test_a_hub_id_without_a_network_is_refused_with_what_to_do(
    location: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, locate: str, where: str
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        GeneratorError, match=f"{where}nobody/nothing: .*no network.*hf download nobody/nothing"
    ):
        getattr(location, locate)("nobody/nothing")


def test_a_hub_id_is_downloaded_without_pickles_and_safety_checker(
    location: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {}

    def download(hub_id: str, **options: Any) -> str:
        asked.update(options, hub_id=hub_id)
        return str(tmp_path)

    monkeypatch.setattr("diffusers.DiffusionPipeline.download", download)
    assert location.locate_pipeline("some-one/some.thing-1") == tmp_path
    assert asked["hub_id"] == "some-one/some.thing-1"
    assert asked["use_safetensors"] is True
    assert asked["safety_checker"] is None
    assert not {"custom_pipeline", "trust_remote_code"} & set(asked)
