"""The latent centroids of a run, from its server's checkpoint."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

from torch import Tensor

from strategies.common import tensor_file
from strategies.common.errors import GeneratorError

# As FedKTL's server names them in its state.
_VECTORS, _LABELS = "vectors", "labels"


@final
@dataclass(frozen=True)
class RunCentroids:
    """What a run's prototypes were aligned to.

    Attributes
    ----------
    file : Path
        Checkpoint.
    vectors : Tensor
        (class, latent) float32.
    labels : tuple[int, ...]
        Class of each row.
    """

    file: Path
    vectors: Tensor
    labels: tuple[int, ...]

    def require_width(self, spec: str, latent_dim: int) -> None:
        """Refuse a generator with other latents than the run's.

        Raises
        ------
        GeneratorError
            With both widths.
        """
        if self.vectors.shape[1] != latent_dim:
            raise GeneratorError(
                f"{self.file}: expected vectors of {latent_dim} components, as {spec} takes them, "
                f"got {self.vectors.shape[1]}; name the generator of that run, with its settings, "
                f"as its settings.toml has them"
            )


def read_centroids(path: Path) -> RunCentroids:
    """Read a checkpoint's centroids: of each class the first vector.

    Parameters
    ----------
    path : Path
        A file ``round-<number>.safetensors``, a run's folder, or the folder ``checkpoints``
        in it; of a folder, the newest round.

    Raises
    ------
    GeneratorError
        If there is no checkpoint, or one without vectors.
    StoreError
        If the checkpoint is damaged.
    """
    file = _file(path)
    tensors, _ = tensor_file.read(file)
    vectors, labels = tensors.get(_VECTORS), tensors.get(_LABELS)
    if vectors is None or labels is None or vectors.ndim != 2 or len(vectors) != len(labels):
        raise GeneratorError(
            f"{file}: expected the vectors and labels of a fedktl run, got "
            f"{', '.join(sorted(tensors)) or 'nothing'}; there are none of other methods, of a "
            f"round without uploads, and with fedktl.transfer-weight=0"
        )
    first: dict[int, int] = {}
    for row, label in enumerate(labels.tolist()):
        first.setdefault(label, row)
    return RunCentroids(file, vectors[list(first.values())].float(), tuple(first))


def _file(path: Path) -> Path:
    if not path.is_dir():
        return path
    for folder in (path, path / "checkpoints"):
        if rounds := tensor_file.rounds_in(folder):
            return tensor_file.of_round(folder, rounds[-1])
    raise GeneratorError(
        f"{path}: expected a run's folder with checkpoints in it, got none; a run has the first "
        f"one after its first round"
    )
