"""The parts of a pipeline, read from their subfolders without running anything in them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from generators.diffusers.folder import PipelineFolder, only_half
from strategies.common.errors import GeneratorError

# Of missing weights, to keep a message short.
_NAMED = 3


def read_parts(folder: PipelineFolder, dtype: torch.dtype) -> dict[str, Any]:
    """Read all networks, tokenizers and the scheduler, by the names of their subfolders.

    Raises
    ------
    GeneratorError
        If a file is truncated, or a network lacks weights or has others.
    """
    parts: dict[str, Any] = {}
    for name, kind in folder.parts.items():
        part = folder.path / name
        parts[name] = (
            read_tokenizer(part, kind)
            if name.startswith("tokenizer")
            else read_network(part, kind, dtype)
        )
    parts["scheduler"] = read_scheduler(folder.path / "scheduler", folder.scheduler)
    return parts


def read_network(part: Path, kind: str, dtype: torch.dtype) -> Any:
    """Read a network of diffusers or transformers from safetensors, on the CPU.

    Parameters
    ----------
    part : Path
        Folder with ``config.json`` and weights.
    kind : str
        Class, from the list in ``folder.py``.
    dtype : torch.dtype
        Of the weights in memory.

    Raises
    ------
    GeneratorError
        If a file is truncated, or weights are missing or of another shape.
    """
    library: Any = diffusers if hasattr(diffusers, kind) else transformers
    with _reading(part, kind):
        network, found = getattr(library, kind).from_pretrained(
            part,
            dtype=dtype,
            variant="fp16" if only_half(part) else None,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    # Both libraries fill in what is missing with random numbers and only log it.
    missing = sorted(found["missing_keys"])
    if missing:
        raise GeneratorError(
            f"generator diffusers: {part}: expected all weights of {kind}, {len(missing)} are "
            f"missing, among them {', '.join(missing[:_NAMED])}; download it again"
        )
    return network


def read_tokenizer(part: Path, kind: str) -> Any:
    """Read a tokenizer of transformers.

    Raises
    ------
    GeneratorError
        If its files cannot be read.
    """
    with _reading(part, kind):
        return getattr(transformers, kind).from_pretrained(part, local_files_only=True)


def read_scheduler(part: Path, kind: str) -> Any:
    """Read a noise schedule of diffusers.

    Raises
    ------
    GeneratorError
        If diffusers has no such scheduler or its file cannot be read.
    """
    found = getattr(diffusers, kind, None)
    if found is None:
        raise GeneratorError(
            f"generator diffusers: {part}: diffusers {diffusers.__version__} has no {kind}; "
            f"update it, or name another scheduler in model_index.json"
        )
    with _reading(part, kind):
        return found.from_pretrained(part, local_files_only=True)


@contextmanager
def _reading(part: Path, kind: str) -> Iterator[None]:
    """Say which part could not be read."""
    try:
        yield
    # Damaged files raise what four libraries come to raise, bare exceptions among them.
    except Exception as error:
        raise GeneratorError(
            f"generator diffusers: {part}: cannot be read as {kind}: {error}; where the files "
            f"are damaged, download them again"
        ) from error
