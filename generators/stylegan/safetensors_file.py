"""A network as one safetensors file: its tensors, and its geometry as JSON in the header."""

from pathlib import Path

import safetensors
from pydantic import ValidationError
from safetensors.torch import save_file

from generators.stylegan.network import Description, StyleGAN, StyleGANConfig
from strategies.common.errors import GeneratorError
from strategies.common.new_file import whole

_KEY = "nectar.stylegan"


def write(description: Description, path: Path, *, replace: bool = True) -> None:
    """Write a network; the same network gives the same bytes.

    Parameters
    ----------
    description : Description
        The network.
    path : Path
        The file to write.
    replace : bool
        Whether a file that is there gives way.

    Raises
    ------
    GeneratorError
        If the file cannot be written; what stood there before is untouched.
    StoreError
        If there is one that may not be replaced.
    """
    tensors = {name: tensor.contiguous() for name, tensor in description.tensors.items()}
    try:
        with whole(path, replace=replace) as file:
            save_file(tensors, file, {_KEY: description.config.model_dump_json()})
    except (OSError, safetensors.SafetensorError) as error:
        raise GeneratorError(f"{path}: cannot be written: {error}") from None


def read(path: Path) -> Description:
    """Read a network that ``write`` wrote.

    Raises
    ------
    GeneratorError
        If the file is damaged, or holds something else.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    except (OSError, safetensors.SafetensorError) as error:
        raise GeneratorError(
            f"{path}: expected an intact safetensors file: {error}; convert or download it again"
        ) from None
    if _KEY not in metadata:
        raise GeneratorError(
            f"{path}: expected a StyleGAN that `python -m generators.stylegan convert` wrote, got "
            f"a safetensors file without its geometry ({_KEY} in the header)"
        )
    try:
        config = StyleGANConfig.model_validate_json(metadata[_KEY])
    except ValidationError as error:
        found = error.errors()[0]
        raise GeneratorError(
            f"{path}: geometry {'.'.join(map(str, found['loc']))}: {found['msg']}; the file was "
            f"changed, or written by another version: convert it again"
        ) from None
    return Description(config, tensors)


def describe(network: StyleGAN) -> Description:
    """Return a network's geometry and copies of its tensors, on the CPU."""
    tensors = {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}
    return Description(network.config, tensors)
