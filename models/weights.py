"""Weights that models start from, where they are not fresh: torchvision's, or those of a file.

torchvision's are its default ImageNet weights of the same network, found in torch's cache or
fetched into it. What fits by name and shape is loaded; two things are adapted, and told:

* a first convolution for grey images gets the sum over colours, so that it sees in a grey
  image what the published one sees in the same image in red, green and blue;
* a transformer's positions are resampled to the patches that its images have here.

What is left keeps fresh weights and is told too: the head, which has the run's classes, and
the first convolution where images are small (``stem.py``) or have other channels. GoogLeNet's
auxiliary classifiers are not part of the network. Inputs lie in [-1, 1], as GoogLeNet's did
when it was published; those of the others were scaled to ImageNet's mean and deviation, which
their first layers have to make up for.

A file holds the state of a model as it is built here: its ``state_dict()``, that of its body
alone, or what a client keeps in its state folder. It must fit but for the head.
"""

from collections.abc import Mapping, Sequence
from glob import escape
from pathlib import Path
from pickle import UnpicklingError
from typing import Final
from urllib.parse import urlparse

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional

from models.catalogue import shown
from strategies.common.errors import ModelError, SettingsError
from strategies.common.home import expanded
from strategies.common.model import FeatureModel

TORCHVISION: Final = "torchvision"
# Models of the table that are networks of torchvision with weights under the same name.
PUBLISHED: Final = (
    *("resnet18", "resnet34", "resnet50", "googlenet", "mobilenet_v2", "vit_b_16", "vit_b_32"),
)

_SUFFIXES: Final = (".safetensors", ".pt", ".pth")
_PLACE: Final = "{model}"
_KEPT: Final = "model/"
_POSITIONS: Final = "encoder.pos_embedding"
_UNREADABLE: Final = (
    *(OSError, RuntimeError, EOFError, ValueError, LookupError, SafetensorError, UnpicklingError),
    # Of a damaged archive or pickle.
    *(TypeError, AttributeError, AssertionError, OverflowError),
)
_LISTED: Final = 4


def check(weights: str, names: Sequence[str]) -> None:
    """Check the ``weights`` setting as far as it can be without data or files.

    Parameters
    ----------
    weights : str
        Empty, ``"torchvision"`` or a file.
    names : Sequence[str]
        The run's models.

    Raises
    ------
    SettingsError
        If it is of no known form, or none of the models takes any.
    """
    if weights == TORCHVISION and not set(PUBLISHED).intersection(names):
        raise SettingsError(
            f"setting weights: expected a model that torchvision has weights for, got "
            f"{', '.join(names)}; add one of {', '.join(PUBLISHED)} to models, or leave weights "
            f"empty"
        )
    if weights not in ("", TORCHVISION) and not weights.endswith(_SUFFIXES):
        raise SettingsError(
            f"setting weights: expected nothing, {TORCHVISION!r} or a file that ends in "
            f"{', '.join(_SUFFIXES)}, got {weights!r}"
        )


def check_here(weights: str, names: Sequence[str]) -> None:
    """Refuse a file of weights that does not lie on this machine for any of the run's models.

    Parameters
    ----------
    weights : str
        As set, and checked.
    names : Sequence[str]
        The run's models.

    Raises
    ------
    ModelError
        With the file that is missing.
    """
    if weights not in ("", TORCHVISION):
        for name in names:
            _file(weights, name)


def load(model: FeatureModel, name: str, weights: str) -> tuple[str, ...]:
    """Put weights into a model that was just built.

    Parameters
    ----------
    model : FeatureModel
        On the CPU, with fresh weights.
    name : str
        As in the setting ``models``.
    weights : str
        As set; empty leaves the model as it is.

    Returns
    -------
    tuple[str, ...]
        What was loaded, adapted and left out, in plain sentences.

    Raises
    ------
    ModelError
        If they cannot be had or do not fit, with what to do.
    """
    if not weights:
        return ()
    if weights != TORCHVISION:
        return _load_file(model, name, weights)
    if name in PUBLISHED:
        return _load_published(model, name)
    return (f"{shown(name)} starts from fresh weights: torchvision has none for it",)


def _load_published(model: FeatureModel, name: str) -> tuple[str, ...]:
    source, found = _published(name)
    # A transformer stands behind the frame of its images.
    network = model.body[-1] if isinstance(model.body, nn.Sequential) else model.body
    taken, changes = {}, []
    for key, fresh in network.state_dict().items():
        value, change = _adapted(key, found.get(key), fresh)
        if value is not None and value.shape == fresh.shape:
            taken[key] = value
            changes += [change] if change else []
    left = [key for key in network.state_dict() if key not in taken]
    network.load_state_dict(taken, strict=False)
    changed = "".join(f"; {change}" for change in changes)
    return (f"{name} starts from {source}, its {_listed(['head', *left])} fresh{changed}",)


def _adapted(key: str, found: Tensor | None, fresh: Tensor) -> tuple[Tensor | None, str]:
    """Return a published tensor as this network may take it, and in words what was changed."""
    if found is None or found.shape == fresh.shape:
        return found, ""
    if found.dim() == fresh.dim() == 4 and (found.shape[1], fresh.shape[1]) == (3, 1):
        return found.sum(1, keepdim=True), f"{key} summed over colours"
    if key == _POSITIONS:
        return _resampled(found, fresh.shape[1]), f"{key} resampled to {fresh.shape[1] - 1} patches"
    return found, ""


def _resampled(positions: Tensor, count: int) -> Tensor:
    """Return positions (1, 1 + patches, width) of a square of patches for another square."""
    width = positions.shape[2]
    old, new = (round((n - 1) ** 0.5) for n in (positions.shape[1], count))
    square = positions[:, 1:].transpose(1, 2).reshape(1, width, old, old)
    resized = functional.interpolate(square, (new, new), mode="bicubic", align_corners=True)
    return torch.cat([positions[:, :1], resized.flatten(2).transpose(1, 2)], dim=1)


def _published(name: str) -> tuple[str, Mapping[str, Tensor]]:
    """Return the name of torchvision's default weights, and the weights."""
    from torchvision.models import get_model_weights  # noqa: PLC0415 - costs a device seconds

    chosen = get_model_weights(name).DEFAULT
    try:
        found: Mapping[str, Tensor] = chosen.get_state_dict(
            progress=False, check_hash=True, map_location="cpu", weights_only=True
        )
    except _UNREADABLE as error:
        file = Path(torch.hub.get_dir(), "checkpoints", Path(urlparse(chosen.url).path).name)
        fetch = f"from torchvision.models import {type(chosen).__name__} as W; "
        raise ModelError(
            f"weights of {name}: expected a whole {file} or a network to fetch it, got: {error}; "
            f"put {chosen.url} there (an incomplete file first has to go), or run: "
            f"python -c '{fetch}W.DEFAULT.get_state_dict(check_hash=True)'"
        ) from None
    return f"torchvision's {chosen}", found


def _load_file(model: FeatureModel, name: str, weights: str) -> tuple[str, ...]:
    path = _file(weights, name)
    if not path.is_file():
        return (f"{shown(name)} starts from fresh weights: there is no {path}",)
    found, own = _of_whole_model(_read(path)), model.state_dict()
    heads = {key for key in own if key.startswith("head.")}
    taken = {key: value for key, value in found.items() if _fits(value, own.get(key))}
    strange = sorted((own.keys() | found.keys()) - heads - taken.keys())
    if strange:
        raise ModelError(
            f"weights of {shown(name)}: expected {path} to hold its state, found it to differ in "
            f"{_listed(strange)}; name the file of this model: {_PLACE} in a file's name stands "
            f"for the name of each client's model"
        )
    if spoilt := sorted(key for key, value in taken.items() if not _is_sound(value, own[key])):
        raise ModelError(
            f"weights of {shown(name)}: expected {path} to hold finite numbers of the kind that "
            f"the model computes with, found others in {_listed(spoilt)}; save "
            f"model.state_dict() of a model that works"
        )
    model.load_state_dict(taken, strict=False)
    left = "" if heads <= taken.keys() else ", its head fresh"
    return (f"{shown(name)} starts from {path}{left}",)


def _file(weights: str, name: str) -> Path:
    """Return a model's file, which may be missing only where other models have theirs."""
    path = expanded(weights.replace(_PLACE, shown(name)), "weights ")
    if not path.is_file():
        named = expanded(weights, "weights ")
        others = named.parent.glob(escape(named.name).replace(_PLACE, "*"))
        if _PLACE not in named.name or not any(others):
            raise ModelError(
                f"weights of {shown(name)}: expected the file {path} on this device, found none; "
                f"put it there, name another one, or leave weights empty"
            )
    return path


def _fits(found: Tensor, own: Tensor | None) -> bool:
    return own is not None and found.shape == own.shape


def _is_sound(found: Tensor, own: Tensor) -> bool:
    """Tell whether values can stand in for a model's own, which the library would convert."""
    is_plain = found.layout == torch.strided and not found.is_quantized
    if not is_plain or found.is_floating_point() != own.is_floating_point() or found.is_complex():
        return False
    return bool(torch.isfinite(found).all())


def _read(path: Path) -> Mapping[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            found: object = safetensors.torch.load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        reason = str(error).partition("\n")[0]
        raise ModelError(
            f"weights: expected {path} to be readable without running code, got: {reason}; save "
            f"model.state_dict() by safetensors.torch.save_file or torch.save"
        ) from None
    if not isinstance(found, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in found.items()
    ):
        raise ModelError(
            f"weights: expected {path} to hold tensors by name, got a {type(found).__name__} with "
            f"other things in it; save model.state_dict() alone"
        )
    return found


def _of_whole_model(found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state with the names of a whole model, whatever part of one it is."""
    if any(key.startswith(_KEPT) for key in found):
        found = {k.removeprefix(_KEPT): v for k, v in found.items() if k.startswith(_KEPT)}
    if any(key.startswith("body.") for key in found):
        return dict(found)
    return {f"body.{key}": value for key, value in found.items()}


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
