"""A pretrained model in a folder, laid out as ``save_pretrained`` of transformers does.

Weights are read from safetensors alone. A pickle runs whatever code it holds when it is
read, so that one is refused even where nothing else is there.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import final

from client_app.backbones import pixels
from client_app.backbones.pixels import Normalisation
from strategies.common.errors import ModelError

_WEIGHTS = "model.safetensors"
_INDEX = f"{_WEIGHTS}.index.json"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


@final
@dataclass(frozen=True)
class ModelFolder:
    """What a folder says of its model, before anything is loaded.

    Attributes
    ----------
    path : Path
        The folder.
    configuration : dict[str, object]
        Contents of ``config.json``.
    normalisation : Normalisation
        Of its image processor; the default where it has none.
    weight_files : tuple[Path, ...]
        Safetensors files that hold the weights together.
    """

    path: Path
    configuration: dict[str, object]
    normalisation: Normalisation
    weight_files: tuple[Path, ...]

    @property
    def model_type(self) -> str:
        """Architecture, in the words of transformers; empty where none is named."""
        return str(self.configuration.get("model_type", ""))


def read(path: Path) -> ModelFolder:
    """Read a folder's descriptions and list its weights.

    Raises
    ------
    ModelError
        If there is no such folder, a file of it cannot be read, or it holds no safetensors.
    """
    if not path.is_dir():
        raise ModelError(
            f"backbone {path}: expected a folder in the layout of save_pretrained, found none; "
            f"copy the model there"
        )
    configuration = _json(path / "config.json")
    if configuration is None:
        raise ModelError(
            f"backbone {path}: expected a config.json, found none; copy the whole folder that "
            f"save_pretrained wrote"
        )
    return ModelFolder(path, configuration, _normalisation(path), _weight_files(path))


def _normalisation(path: Path) -> Normalisation:
    # An image processor has a file of its own, or a part of the file of a joint processor.
    own = _json(path / "preprocessor_config.json")
    if own is None:
        joint = _json(path / "processor_config.json") or {}
        part = joint.get("image_processor")
        own = part if isinstance(part, dict) else {}
    return pixels.read(own, f"backbone {path}")


def _weight_files(path: Path) -> tuple[Path, ...]:
    if index := _json(path / _INDEX):
        mapped = index.get("weight_map")
        names = sorted({str(name) for name in mapped.values()}) if isinstance(mapped, dict) else []
        if not names or any(Path(name).name != name for name in names):
            raise ModelError(
                f"{path / _INDEX}: expected names of files beside it, got {names}; copy the "
                f"model's folder again"
            )
    else:
        names = [_WEIGHTS]
    if missing := [name for name in names if not (path / name).is_file()]:
        raise ModelError(f"backbone {path}: {_absent(path, missing[0])}")
    return tuple(path / name for name in names)


def _absent(path: Path, name: str) -> str:
    pickles = sorted(file.name for pattern in _PICKLES for file in path.glob(pattern))
    if pickles:
        return (
            f"expected {name}, got {pickles[0]}, a pickle that could run any code; convert it "
            f"where you trust it, with from_pretrained(<dir>).save_pretrained(<new dir>), and "
            f"name the new folder"
        )
    return f"expected {name}, found none; copy the whole folder that save_pretrained wrote"


def _json(path: Path) -> dict[str, object] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: expected JSON, got: {error}; copy the folder again") from None
    if not isinstance(value, dict):
        raise ModelError(f"{path}: expected a JSON object, got {type(value).__name__}")
    return value
