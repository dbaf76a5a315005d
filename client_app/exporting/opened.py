"""An exported model read back: its network, built and loaded as its card says."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor, nn

from client_app.exporting import card
from client_app.exporting.card import WEIGHTS, ModelCard
from models import catalogue, own
from strategies.common.channel_scale import ChannelScale, Normalised
from strategies.common.classifiers import built_around
from strategies.common.errors import ModelError, StoreError
from strategies.common.home import expanded
from strategies.common.model import FeatureModel
from strategies.common.split.networks import joined

_ANY_SEED: Final = 0
# Begins the names of a network's tensors where it normalises what it reads.
_WITHIN: Final = "network."


@final
@dataclass(frozen=True)
class Opened:
    """A model that can be used.

    Attributes
    ----------
    network : nn.Module
        From prepared inputs to scores or features, in evaluation mode.
    card : ModelCard
        What it is.
    """

    network: nn.Module
    card: ModelCard


def open_model(folder: Path, own_model: str = "") -> Opened:
    """Build and load an exported model.

    Parameters
    ----------
    folder : Path
        As ``client_app.export`` wrote it.
    own_model : str
        What builds a user's own model, ``file.py:Class`` or ``module:Class``: a card alone makes
        nobody run code.

    Raises
    ------
    StoreError
        If the folder holds no whole export.
    ModelError
        If a user's own model is not named, is another than that which was trained, or is named
        where the model is none.
    """
    folder = expanded(folder)
    found = card.read(folder)
    if own_model:
        _require_own(found, own_model)
    tensors = _tensors(folder, found)
    network = build(found, tensors, own_model)
    try:
        network.load_state_dict(dict(tensors), strict=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ModelError(
            f"{folder}: expected the weights of {found.architecture.name}, got: {reason}; was the "
            f"model's file changed since? Put back the one that was trained"
        ) from None
    return Opened(network.eval(), found)


def build(found: ModelCard, tensors: Mapping[str, Tensor], own_model: str) -> nn.Module:
    """Build a card's network; its weights are yet to be loaded.

    Raises
    ------
    ModelError
        As of :func:`open_model`.
    StoreError
        If tensors are missing from which its sizes follow.
    """
    split, task = found.split, found.task
    if split is not None:
        return joined.build(split, task, classifies=found.outputs == card.SCORES)
    name = found.architecture.name
    if _is_own(found):
        name = _named(found, own_model)
    model = catalogue.build(name, task, found.architecture.feature_dim, _ANY_SEED)
    if found.normalises:
        tensors = {n.removeprefix(_WITHIN): own for n, own in tensors.items()}

    def other(width: int) -> FeatureModel:
        beside = found.architecture.beside
        if beside not in catalogue.MODELS:
            raise KeyError(f"model beside it: {beside!r}")
        return catalogue.build(beside, task, width, _ANY_SEED)

    try:
        classifier = built_around(model, found.classifier, tensors, other)
    except (KeyError, ValueError) as error:
        raise StoreError(
            f"{WEIGHTS}: expected what a classifier {found.classifier!r} is made of, found no "
            f"{error}; export the model again"
        ) from None
    if not found.normalises:
        return classifier
    return Normalised(ChannelScale.blank(found.what.shape[0]), classifier)


def _named(found: ModelCard, own_model: str) -> str:
    if not own_model:
        raise ModelError(
            f"model {found.architecture.name}: a model of your own, whose code is run only where "
            f"you name it: add --model {found.architecture.built_by}, with the place of the file "
            f"on this machine"
        )
    own.parse("--model", own_model)
    return own_model


def _require_own(found: ModelCard, own_model: str) -> None:
    if not _is_own(found):
        raise ModelError(
            f"--model {own_model}: expected none, since this model is {found.architecture.name}, "
            f"which Nectar builds itself, and no code of your own would be run; leave --model out"
        )


def _is_own(found: ModelCard) -> bool:
    # Whatever the card says of it: a name that would run code is run where it is given here.
    named = found.architecture.own or own.is_own(found.architecture.name)
    return named and found.split is None


def _tensors(folder: Path, found: ModelCard) -> dict[str, Tensor]:
    path = folder / WEIGHTS
    try:
        blob = path.read_bytes()
        tensors = safetensors.torch.load(blob)
    except (OSError, SafetensorError, ValueError) as error:
        raise StoreError(f"{path}: cannot be read ({error}); export the model again") from None
    if hashlib.sha256(blob).hexdigest() != found.files.get(WEIGHTS):
        raise StoreError(
            f"{path}: expected the weights that {card.CARD} names by their SHA-256, got others; "
            f"copy the folder whole, or export the model again"
        )
    return tensors
