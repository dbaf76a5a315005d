"""From a backbone's name to the backbone, loaded once per process.

``digitgrid`` is the tiny ViLT that ``python -m client_app.pretrain_backbone`` makes,
``folder:<dir>`` a folder on the device, ``hub:<id>`` a model on the Hugging Face hub.
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from client_app.backbones import blip, digest, dual, model_folder, pretrained, vilt
from client_app.backbones.model_folder import ModelFolder
from strategies.common.adapters.backbone import Backbone
from strategies.common.errors import ModelError, SettingsError
from strategies.common.home import expanded

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

DIGITGRID = "digitgrid"
_FAMILIES: dict[str, Callable[[ModelFolder, "PreTrainedTokenizerBase", str], Backbone]] = {
    "blip": blip.open_folder,
    "clip": dual.open_folder,
    "siglip": dual.open_folder,
    "vilt": vilt.open_folder,
}
_TRIAL = "what is it?"
# Pickles are not even downloaded. Folders inside a repository hold other formats.
_WANTED = ("*.json", "*.safetensors", "*.txt", "*.model")
_UNWANTED = ("*/*",)


def cache_folder(state_dir: Path) -> Path:
    """Return the folder of a device's state in which its own backbones stand."""
    return state_dir / "backbones"


def load(spec: str, device: torch.device, cache: Path) -> Backbone:
    """Return a backbone; the same object every time in one process.

    Parameters
    ----------
    spec : str
        ``digitgrid``, ``folder:<dir>`` or ``hub:<id>``.
    device : torch.device
        Where its weights lie and its features are computed.
    cache : Path
        :func:`cache_folder` of the device, in which ``digitgrid`` is looked for.

    Raises
    ------
    SettingsError
        If the name is none of the three kinds.
    ModelError
        If transformers is not installed, or the model cannot be found or loaded.
    """
    pretrained.require_transformers()
    path = _find(spec, cache).resolve()
    return _opened(str(path), _digested(str(path), _stamp(path)), str(device))


def check_here(spec: str) -> None:
    """Refuse a folder that is not on this machine; other kinds are made or fetched.

    Raises
    ------
    ModelError
        With the folder.
    """
    kind, _, name = spec.partition(":")
    if kind == "folder" and not (path := expanded(name, "backbone folder:")).is_dir():
        raise ModelError(
            f"backbone {spec}: expected a folder at {path.absolute()}, found none; name one that "
            f"exists, or leave adapters.backbone out"
        )


def _find(spec: str, cache: Path) -> Path:
    kind, _, name = spec.partition(":")
    if spec == DIGITGRID:
        path = cache / DIGITGRID
        if not path.is_dir():
            raise ModelError(
                f"backbone {DIGITGRID}: expected it in {path}, found none; make it with: "
                f"python -m client_app.pretrain_backbone --out {path}"
            )
        return path
    if kind == "folder" and name:
        return expanded(name, "backbone folder:")
    if kind == "hub" and name:
        return _download(name)
    raise SettingsError(f"backbone: expected {DIGITGRID}, folder:<dir> or hub:<id>, got {spec!r}")


@lru_cache(maxsize=8)
def _download(name: str) -> Path:
    # Asked once per process: the hub may move on between two rounds, a run must not.
    from huggingface_hub import snapshot_download  # noqa: PLC0415

    try:
        return Path(
            snapshot_download(name, allow_patterns=list(_WANTED), ignore_patterns=list(_UNWANTED))
        )
    except Exception as error:  # the library raises its own, the network's and plain ones
        raise ModelError(
            f"backbone hub:{name}: cannot be fetched: {type(error).__name__}: {error}; check the "
            f"name and the network, or copy the model's folder and name it folder:<dir>, which "
            f"works offline"
        ) from None


def _stamp(path: Path) -> tuple[tuple[str, int, int], ...]:
    """Tell whether a folder changed, without reading what may be gigabytes."""
    if not path.is_dir():
        return ()
    found = ((file.name, file.stat()) for file in sorted(path.iterdir()) if file.is_file())
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in found)


@lru_cache(maxsize=8)
def _digested(path: str, stamp: tuple[tuple[str, int, int], ...]) -> str:  # noqa: ARG001
    folder = _supported(path)
    described = {
        "model": folder.configuration,
        "mean": folder.normalisation.mean,
        "deviation": folder.normalisation.deviation,
        "scale": folder.normalisation.scale,
    }
    vocabulary = pretrained.load_tokenizer(folder.path).get_vocab()
    return digest.digest(described, vocabulary, folder.weight_files)


@lru_cache(maxsize=4)
def _opened(path: str, sha256: str, device: str) -> Backbone:
    folder = _supported(path)
    tokenizer = pretrained.load_tokenizer(folder.path)
    try:
        backbone = _FAMILIES[folder.model_type](folder, tokenizer, sha256)
        backbone.module.to(device)
        _try(backbone, torch.device(device))
    except (ModelError, MemoryError, torch.OutOfMemoryError):
        raise
    # Whatever a configuration may hold comes out of the library as what it raises there.
    except Exception as error:
        raise ModelError(
            f"backbone {path}: expected weights, tokenizer and configuration that belong to each "
            f"other, got {type(error).__name__} from a trial: {error!s:.300}; copy the whole "
            f"folder again"
        ) from None
    return backbone


@torch.no_grad()
def _try(backbone: Backbone, device: torch.device) -> None:
    """Read one picture and one question, so that a folder is refused before it is worked with."""
    asked = backbone.read([_TRIAL])
    picture = torch.zeros(1, 3, backbone.image_size, backbone.image_size, dtype=torch.uint8)
    found = backbone.features(picture.to(device), asked.tokens.to(device), asked.mask.to(device))
    if tuple(found.shape) != (1, backbone.feature_dim):
        raise ValueError(f"features {tuple(found.shape)} in place of (1, {backbone.feature_dim})")


def _supported(path: str) -> ModelFolder:
    folder = model_folder.read(Path(path))
    if folder.model_type not in _FAMILIES:
        raise ModelError(
            f"backbone {path}: expected one of {', '.join(sorted(_FAMILIES))}, got "
            f"{folder.model_type or 'no model_type'}; name another model"
        )
    return folder
