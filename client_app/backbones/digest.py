"""A digest by which two devices can tell that they hold the same backbone.

It covers what decides a backbone's outputs, not how files lay it out: the same weights in
one file or in ten, under any file name, give the same digest.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from strategies.common.errors import ModelError

# What a library writes of itself into a configuration; none of it changes an output.
_PROVENANCE = frozenset({"transformers_version", "_name_or_path", "dtype", "torch_dtype"})


def digest(
    configuration: Mapping[str, object],
    vocabulary: Mapping[str, int],
    weight_files: Sequence[Path],
) -> str:
    """Hash configuration, vocabulary and weights, one tensor in memory at a time.

    Parameters
    ----------
    configuration : Mapping[str, object]
        JSON values; the order of keys does not matter.
    vocabulary : Mapping[str, int]
        Token to number.
    weight_files : Sequence[Path]
        Safetensors files, in any order.

    Returns
    -------
    str
        SHA-256 in hexadecimal.

    Raises
    ------
    ModelError
        If a file cannot be read, or two of them hold a tensor of one name.
    """
    hashed = hashlib.sha256()
    hashed.update(_canonical([_essential(configuration), vocabulary]))
    with ExitStack() as opened:
        holders: dict[str, safe_open] = {}
        for path in weight_files:
            try:
                file = opened.enter_context(safe_open(path, framework="pt"))
                names = list(file.keys())
            except (OSError, SafetensorError) as error:
                raise ModelError(
                    f"{path}: expected a readable safetensors file, got: {error}; copy the "
                    f"model's folder again"
                ) from None
            if twice := holders.keys() & names:
                raise ModelError(
                    f"{path}: expected tensors that no other file of the folder holds, got "
                    f"{min(twice)} twice; copy the model's folder again"
                )
            holders.update(dict.fromkeys(names, file))
        for name in sorted(holders):
            tensor: Tensor = holders[name].get_tensor(name)  # type: ignore[no-untyped-call]
            kind = str(tensor.dtype).removeprefix("torch.")
            hashed.update(_canonical([name, kind, list(tensor.shape)]))
            hashed.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
    return hashed.hexdigest()


def _essential(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _essential(entry) for key, entry in value.items() if key not in _PROVENANCE}
    return value


def _canonical(value: object) -> bytes:
    # JSON on one line: the line's end parts it from what follows.
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode() + b"\n"
