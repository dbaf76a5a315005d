"""The expert: a client model trained against decoders, in a file, with what it was trained with.

A run of MocoSFL with ``mocosfl.expert`` gives the client model to all clients and goes on
with the server's part. The momentum copies are in the file too: without them, keys would be
wrong until random ones have faded, after about 500 steps at tau = 0.99.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from strategies.common import tensor_file
from strategies.common.errors import SettingsError, StoreError
from strategies.common.round import Aggregated, Picture
from strategies.mocosfl.taressfl.structure import Structure
from strategies.mocosfl.taressfl.verdict import Verdict

_FORMAT = "taressfl-1"
_PARTS = ("online", "momentum")


@final
@dataclass(frozen=True)
class Provenance:
    """How an expert came about.

    Attributes
    ----------
    target, auxiliary : str
        Data sources.
    target_images, auxiliary_images : int
        Images of each that it was trained on.
    steps : int
        Optimiser steps.
    ssim_target, ssim_weight : float
        What was asked of it (s* and lambda).
    codec : str
        How its latents travelled when it was attacked.
    seed : int
        Root of all randomness.
    notes : tuple[str, ...]
        What went wrong in the last epoch, if anything did.
    """

    target: str
    auxiliary: str
    target_images: int
    auxiliary_images: int
    steps: int
    ssim_target: float
    ssim_weight: float
    codec: str
    seed: int
    notes: tuple[str, ...]


@final
class Description(BaseModel):
    """What stands in an expert's file beside its tensors.

    Attributes
    ----------
    structure : Structure
        Its network.
    provenance : Provenance
        How it came about.
    verdict : Verdict
        What fresh attackers made of it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    structure: Structure
    provenance: Provenance
    verdict: Verdict


@final
@dataclass(frozen=True)
class Expert:
    """A client model with the server's part that it was trained with.

    Attributes
    ----------
    description : Description
        What it is.
    front, momentum_front : Tensor
        (parameters,) float32 of the client model and of its momentum copy, in the order of
        ``named_parameters``.
    online, momentum : Mapping[str, Tensor]
        State of the server's ``Encoder`` (backbone and head), and of its momentum copy.
    pictures : Tensor
        (pictures, 3, height, width) uint8: images beside what the best attacker made of them.
    """

    description: Description
    front: Tensor
    momentum_front: Tensor
    online: Mapping[str, Tensor]
    momentum: Mapping[str, Tensor]
    pictures: Tensor

    def introduced(self, file: str) -> Aggregated:
        """Return what the journal of a run that takes it from a file says of it.

        Nothing needs saying of a client model that withstood all that the server has.
        """
        verdict = self.description.verdict
        note = f"mocosfl.expert {file}: {verdict.describe()}"
        is_proved = verdict.resistant and verdict.informed
        return Aggregated(notes=() if is_proved else (note,), pictures=self.drawn())

    def drawn(self) -> tuple[Picture, ...]:
        """Return the pictures for a run's folder and report."""
        return tuple(Picture(f"inversion-{n}", pixels) for n, pixels in enumerate(self.pictures))


def save(path: Path, expert: Expert) -> None:
    """Write an expert to a file, whole or not at all.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    tensors = {
        "front": expert.front,
        "momentum_front": expert.momentum_front,
        "pictures": expert.pictures,
        **{f"online/{name}": tensor for name, tensor in expert.online.items()},
        **{f"momentum/{name}": tensor for name, tensor in expert.momentum.items()},
    }
    # A copy of each: two names of one storage cannot be written.
    apart = {name: tensor.detach().to("cpu", copy=True) for name, tensor in tensors.items()}
    contiguous = {name: tensor.contiguous() for name, tensor in apart.items()}
    text = {"format": _FORMAT, "description": expert.description.model_dump_json()}
    tensor_file.write(path, contiguous, text)


def load(path: Path, wanted: Structure | None) -> Expert:
    """Read what :func:`save` wrote; nothing is unpickled.

    Parameters
    ----------
    path : Path
        The file.
    wanted : Structure | None
        Structure of the run that is to use it; ``None`` takes any.

    Raises
    ------
    StoreError
        If the file is missing, damaged or no expert.
    SettingsError
        If the run's network is another one, naming every part that differs.
    """
    tensors, text = tensor_file.read(path)
    if text.get("format") != _FORMAT:
        raise StoreError(
            f"{path}: expected an expert of format {_FORMAT}, got {text.get('format', 'none')}; "
            f"name a file that python -m taressfl of this version wrote"
        )
    try:
        expert = Expert(
            description=Description.model_validate_json(text["description"]),
            front=tensors.pop("front"),
            momentum_front=tensors.pop("momentum_front"),
            pictures=tensors.pop("pictures"),
            **{part: _take(part, tensors) for part in _PARTS},
        )
    except KeyError as error:
        raise StoreError(f"{path}: expected an expert with {error}, found none") from None
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise StoreError(f"{path}: the expert's description: {'; '.join(problems)}") from None
    if tensors:
        raise StoreError(f"{path}: expected an expert, found also {', '.join(sorted(tensors))}")
    differences = expert.description.structure.differences(wanted) if wanted else ()
    if differences:
        raise SettingsError(
            f"setting mocosfl.expert: {path} was trained for another network: "
            f"{'; '.join(differences)}; take over its settings, or pretrain one for these"
        )
    return expert


def _take(part: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Move the tensors of one part out of those that are left."""
    prefix = f"{part}/"
    names = [name for name in tensors if name.startswith(prefix)]
    if not names:
        raise KeyError(part)
    return {name.removeprefix(prefix): tensors.pop(name) for name in names}
