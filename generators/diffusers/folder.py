"""Whether a folder holds a pipeline that can be drawn with, before anything is loaded."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from strategies.common.errors import GeneratorError

_UNET = ("diffusers", ("UNet2DConditionModel",))
_VAE = ("diffusers", ("AutoencoderKL", "AutoencoderTiny"))
_TEXT_ENCODER = ("transformers", ("CLIPTextModel",))
_SECOND_TEXT_ENCODER = ("transformers", ("CLIPTextModelWithProjection",))
# Older folders name the fast twin, which reads the same files.
_TOKENIZER = ("transformers", ("CLIPTokenizer", "CLIPTokenizerFast"))
_PARTS = {"unet": _UNET, "vae": _VAE, "text_encoder": _TEXT_ENCODER, "tokenizer": _TOKENIZER}
# What each kind of pipeline consists of, beside its scheduler.
_PIPELINES = {
    "StableDiffusionPipeline": _PARTS,
    "LatentConsistencyModelPipeline": _PARTS,
    "StableDiffusionXLPipeline": {
        **_PARTS,
        "text_encoder_2": _SECOND_TEXT_ENCODER,
        "tokenizer_2": _TOKENIZER,
    },
}
_SCHEDULER = re.compile(r"[A-Z]\w*Scheduler")
_PICKLES = (".bin", ".ckpt", ".pt", ".pth")
_CONVERT = (
    'where you trust these files, convert them: python -c "from diffusers import '
    "DiffusionPipeline as P; P.from_pretrained('OLD').save_pretrained('NEW')\""
)


@final
@dataclass(frozen=True)
class PipelineFolder:
    """A folder that names only what is known here, and has all that it names.

    Attributes
    ----------
    path : Path
        The folder.
    pipeline : str
        Class of the pipeline.
    parts : Mapping[str, str]
        Class of each network and tokenizer by the name of its subfolder.
    scheduler : str
        Class of the scheduler.
    scheduler_config : Mapping[str, Any]
        What stands in its file, which is passed to that class.
    zero_empty_prompt : bool
        Whether guidance starts from a zero embedding rather than from the empty text's;
        asked of SDXL alone.
    """

    path: Path
    pipeline: str
    parts: Mapping[str, str]
    scheduler: str
    scheduler_config: Mapping[str, Any]
    zero_empty_prompt: bool


def read_folder(path: Path, *, with_vae: bool) -> PipelineFolder:
    """Read the index of a folder and see that all it needs is there.

    Parameters
    ----------
    path : Path
        An existing folder.
    with_vae : bool
        Whether its own decoder is needed.

    Raises
    ------
    GeneratorError
        If there is no index, or it names a pipeline or a part that is not known here, or
        weights are missing or are pickles.
    """
    index = read_json(path / "model_index.json", "folder of a diffusers pipeline")
    pipeline = index.get("_class_name")
    if not isinstance(pipeline, str) or pipeline not in _PIPELINES:
        raise GeneratorError(
            f"generator diffusers: {path}: expected a pipeline from text to image, one of "
            f"{', '.join(_PIPELINES)}; got {pipeline!r}"
        )
    parts = {name: _known(path, index, name, *of) for name, of in _PIPELINES[pipeline].items()}
    if not with_vae:
        del parts["vae"]
    for name in parts:
        if name.startswith("tokenizer"):
            _check_tokenizer(path / name)
        else:
            only_half(path / name)
    return PipelineFolder(
        path=path,
        pipeline=pipeline,
        parts=parts,
        scheduler=_scheduler(path, index),
        scheduler_config=read_json(
            path / "scheduler" / "scheduler_config.json", "scheduler of a diffusers pipeline"
        ),
        zero_empty_prompt=_zero_empty_prompt(path, index),
    )


def read_vae_class(path: Path) -> str:
    """Return the class of the decoder in a folder of its own.

    Raises
    ------
    GeneratorError
        If the folder holds none that is known here, or no safe weights.
    """
    library, kinds = _VAE
    kind = read_json(path / "config.json", "folder of a decoder").get("_class_name")
    if not isinstance(kind, str) or kind not in kinds:
        raise GeneratorError(
            f"setting diffusers.vae: {path}/config.json: expected one of {', '.join(kinds)} of "
            f"{library}, got {kind!r}"
        )
    only_half(path)
    return kind


def read_json(file: Path, expected: str) -> Mapping[str, Any]:
    """Read a JSON object, or say which folder was expected.

    Raises
    ------
    GeneratorError
        If the file is missing or holds something else.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise GeneratorError(
            f"generator diffusers: {file.parent}: expected the {expected}, but {file.name} "
            f"cannot be read: {error}; download the whole folder"
        ) from None
    if not isinstance(found, dict):
        raise GeneratorError(f"generator diffusers: {file}: expected an object, got {found!r:.80}")
    return found


def only_half(part: Path) -> bool:
    """Return whether a network has weights for half precision alone.

    Raises
    ------
    GeneratorError
        If it has no weights as safetensors.
    """
    names = sorted(file.name for file in part.glob("*"))
    weights = [name for name in names if name.endswith(".safetensors")]
    if not weights:
        pickles = [name for name in names if name.endswith(_PICKLES)]
        raise GeneratorError(
            f"generator diffusers: {part}: expected weights as safetensors, got "
            + (f"{', '.join(pickles)}, which could run code; {_CONVERT}" if pickles else "none")
        )
    return all(".fp16" in name for name in weights)


def _known(
    path: Path, index: Mapping[str, Any], name: str, library: str, kinds: tuple[str, ...]
) -> str:
    """Return the class of a part, unless it is none that is known here."""
    match index.get(name):
        case [str(found_library), str(kind)] if found_library == library and kind in kinds:
            # The slow and the fast tokenizer read the same files.
            return kind.removesuffix("Fast")
        case found:
            raise GeneratorError(
                f"generator diffusers: {path}/model_index.json: {name}: expected "
                f"{' or '.join(kinds)} of {library}, got {found!r}; code that a folder names or "
                f"brings is never loaded"
            )


def _scheduler(path: Path, index: Mapping[str, Any]) -> str:
    match index.get("scheduler"):
        case ["diffusers", str(kind)] if _SCHEDULER.fullmatch(kind):
            return kind
        case found:
            raise GeneratorError(
                f"generator diffusers: {path}/model_index.json: scheduler: expected a scheduler "
                f"of diffusers, got {found!r}; code that a folder names or brings is never loaded"
            )


def _zero_empty_prompt(path: Path, index: Mapping[str, Any]) -> bool:
    found = index.get("force_zeros_for_empty_prompt", True)
    if not isinstance(found, bool):
        raise GeneratorError(
            f"generator diffusers: {path}/model_index.json: force_zeros_for_empty_prompt: expected "
            f"true or false, got {found!r}"
        )
    return found


def _check_tokenizer(part: Path) -> None:
    # Without a vocabulary the library makes an empty one, to which every prompt is alike.
    pair = (part / "vocab.json", part / "merges.txt")
    found = [file.name for file in pair if file.is_file()]
    if not (part / "tokenizer.json").is_file() and len(found) < len(pair):
        raise GeneratorError(
            f"generator diffusers: {part}: expected tokenizer.json, or vocab.json and "
            f"merges.txt, got {' and '.join(found) or 'neither'}; download the whole folder"
        )
