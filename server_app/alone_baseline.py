"""What each client of a split method learns alone, as it stands beside a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, final

from pydantic import Field, TypeAdapter

from server_app.beside_run import read_list

FILE = "alone.json"

_Accuracy = Annotated[float, Field(ge=0, le=1)]


@final
@dataclass(frozen=True)
class Baseline:
    """One client's best model of its own, judged on all clients' test samples.

    Attributes
    ----------
    client : int
        Logical client.
    round_number : int
        Round after which it was best; picked on the test samples, which flatters it.
    probe_accuracy, knn_accuracy : float
        Of a linear probe's last epoch and of the nearest neighbours.
    """

    client: int
    round_number: int
    probe_accuracy: _Accuracy
    knn_accuracy: _Accuracy


_BASELINES = TypeAdapter(tuple[Baseline, ...])


def read_baselines(run_dir: Path) -> tuple[Baseline, ...]:
    """Read what clients learn alone; empty where nobody tried.

    Raises
    ------
    RunFolderError
        If the file cannot be understood.
    """
    return read_list(run_dir / FILE, _BASELINES, "what clients learn alone")
