"""What a run keeps of its augmentation, so that it goes on with the same."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from strategies.common import tensor_file
from strategies.common.agreed import Agreed
from strategies.common.errors import StoreError, WireError
from strategies.common.payload import rules_of
from strategies.common.wire import decode, encode
from strategies.faug.wire import Generator

FILE: Final = "augmentation.safetensors"


@final
@dataclass(frozen=True)
class Played:
    """An augmentation that has taken place.

    Attributes
    ----------
    generator : Generator | None
        What came of it; ``None`` where no seeds came.
    """

    generator: Generator | None


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
            tensors, _ = tensor_file.read(self._path)
            if not tensors:
                return Played(None)
            generator = Generator(**tensors)
            blob = encode(generator, agreed.run.wire_dtype)
            decode(Generator, blob, agreed, sender=FILE)
        except (StoreError, WireError, TypeError) as error:
            raise StoreError(
                f"{self._path}: expected what this run's clients have generated their samples "
                f"with, got: {error}; put a copy of the file there. Without the file the clients "
                f"are asked for seeds once more, and learn from another generator from then on"
            ) from None
        return Played(generator)

    def write(self, played: Played) -> None:
        """Keep what came of the augmentation.

        Raises
        ------
        StoreError
            If it cannot be kept.
        """
        if self._path is None:
            return
        made = played.generator
        names = rules_of(Generator) if made else ()
        tensor_file.write(self._path, {name: getattr(made, name) for name in names}, {})
