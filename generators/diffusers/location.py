"""From a folder or a hub id to a folder on this machine."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
from huggingface_hub import snapshot_download

from generators.diffusers.silence import silenced
from strategies.common.errors import GeneratorError
from strategies.common.home import expanded

# Its classes are not typed, and are imported when they are first asked for.
_library: Any = diffusers
# An owner and a name; a path has another number of parts or begins with a dot or a slash.
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def locate_pipeline(source: str) -> Path:
    """Return the folder of a pipeline, downloaded if it is not there.

    Raises
    ------
    GeneratorError
        If there is no such folder, or the hub cannot be reached or has no such pipeline.
    """
    return _locate(_pipeline(source), source, _download_pipeline)


def locate_vae(source: str) -> Path:
    """Return the folder of a decoder, downloaded if it is not there.

    Raises
    ------
    GeneratorError
        If there is no such folder, or the hub cannot be reached or has no such decoder.
    """
    return _locate(_vae(source), source, _download_vae)


def check(source: str, vae: str) -> None:
    """Refuse what is neither a folder on this machine nor a hub id; nothing is downloaded.

    Parameters
    ----------
    source, vae : str
        Pipeline and decoder; an empty decoder is the pipeline's own.

    Raises
    ------
    GeneratorError
        With what is missing.
    """
    _check(_pipeline(source), source)
    if vae:
        _check(_vae(vae), vae)


def _pipeline(source: str) -> str:
    return f"generator diffusers:{source}"


def _vae(source: str) -> str:
    return f"setting diffusers.vae: {source}"


def _check(where: str, source: str) -> None:
    folder = expanded(source, where.removesuffix(source))
    if folder.is_file():
        raise GeneratorError(
            f"{where}: expected a folder, got a file; read a single checkpoint with diffusers' "
            f"from_single_file and write it with save_pretrained"
        )
    if not folder.is_dir() and not _HUB_ID.fullmatch(source):
        raise GeneratorError(f"{where}: no such folder; expected one, or a hub id owner/name")


def _locate(where: str, source: str, download: Callable[[str], str]) -> Path:
    _check(where, source)
    folder = expanded(source, where.removesuffix(source))
    if folder.is_dir():
        return folder
    try:
        return Path(download(source))
    # The hub's client lets through errors of three libraries below it.
    except Exception as error:
        raise GeneratorError(
            f"{where}: no such folder, and not to be had from the hub as that: {error}; where "
            f"there is no network, download it elsewhere (hf download {source} --local-dir "
            f"FOLDER) and name the folder"
        ) from error


def _download_pipeline(hub_id: str) -> str:
    with silenced():
        # Parts that are handed over are not downloaded: these are never used here.
        found: str = _library.DiffusionPipeline.download(
            hub_id, use_safetensors=True, safety_checker=None, feature_extractor=None
        )
    return found


def _download_vae(hub_id: str) -> str:
    with silenced():
        return snapshot_download(
            hub_id, allow_patterns=["config.json", "diffusion_pytorch_model*.safetensors"]
        )
