"""What a run keeps of its augmentation, so that it goes on with the same."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, final

from torch import Tensor

from server_app.crossed import Crossed
from server_app.stage import Stage
from strategies.common import tensor_file
from strategies.common.agreed import Agreed
from strategies.common.errors import StoreError, WireError
from strategies.common.payload import rules_of
from strategies.common.round import Aggregated, Picture
from strategies.common.wire import decode, encode
from strategies.faug.wire import Generator

FILE: Final = "augmentation.safetensors"
_STAGE: Final = "stage"
_PICTURE: Final = "picture."


@final
@dataclass(frozen=True)
class Played:
    """An augmentation that has taken place.

    Attributes
    ----------
    generator : Generator | None
        What came of it; ``None`` where no seeds came.
    stage : Stage
        What the line of the first round is to say of it, should the server end before that.
    """

    generator: Generator | None
    stage: Stage = field(default_factory=Stage)


@final
class AugmentationFile:
    """The file beside a run's checkpoints.

    Parameters
    ----------
    folder : Path | None
        The run's; ``None`` where nothing is kept.
    """

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder / FILE

    def read(self, agreed: Agreed) -> Played | None:
        """Return what was kept, or ``None`` where nothing was.

        Raises
        ------
        StoreError
            If the file is damaged: what would be made in its place need not be the same.
        """
        if self._path is None or not self._path.exists():
            return None
        try:
            tensors, text = tensor_file.read(self._path)
            stage = _read_stage(text, tensors)
            model = {n: own for n, own in tensors.items() if not n.startswith(_PICTURE)}
            if not model:
                return Played(None, stage)
            generator = Generator(**model)
            blob = encode(generator, agreed.run.wire_dtype)
            decode(Generator, blob, agreed, sender=FILE)
        except (StoreError, WireError, TypeError, KeyError, ValueError) as error:
            raise StoreError(
                f"{self._path}: expected what this run's clients have generated their samples "
                f"with, got: {error}; put a copy of the file there. Without the file the clients "
                f"are asked for seeds once more, and learn from another generator from then on"
            ) from None
        return Played(generator, stage)

    def write(self, played: Played) -> None:
        """Keep what came of the augmentation.

        Raises
        ------
        StoreError
            If it cannot be kept.
        """
        if self._path is None:
            return
        made, said = played.generator, played.stage.said
        names = rules_of(Generator) if made else ()
        tensors = {name: getattr(made, name) for name in names}
        tensors |= {f"{_PICTURE}{picture.name}": picture.pixels for picture in said.pictures}
        tensor_file.write(self._path, tensors, {_STAGE: json.dumps(_stage_values(played.stage))})


def _stage_values(stage: Stage) -> dict[str, Any]:
    said = stage.said.finite()
    return {
        "seconds": stage.seconds,
        "diagnostics": dict(said.diagnostics),
        "notes": said.notes,
        "pictures": [picture.name for picture in said.pictures],
        "crossed": {
            str(partition): [dict(own.uplink), dict(own.downlink)]
            for partition, own in stage.crossed.items()
        },
    }


def _read_stage(text: Mapping[str, str], tensors: Mapping[str, Tensor]) -> Stage:
    if _STAGE not in text:  # a file of before it was kept
        return Stage()
    values = json.loads(text[_STAGE])
    pictures = (Picture(name, tensors[f"{_PICTURE}{name}"]) for name in values["pictures"])
    said = Aggregated(values["diagnostics"], tuple(values["notes"]), tuple(pictures))
    crossed = {int(partition): Crossed(*own) for partition, own in values["crossed"].items()}
    return Stage(values["seconds"], said, crossed)
