"""What a split method has to beat, as it stands beside a run: clients alone, and raw inputs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, final

from pydantic import Field, TypeAdapter

from server_app.beside_run import read_list

FILE = "alone.json"
RAW_FILE = "raw_inputs.json"

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


@final
@dataclass(frozen=True)
class RawBaseline:
    """The same classifiers on inputs as they are, without any network.

    Attributes
    ----------
    probe_accuracy, knn_accuracy : float
        Of a linear probe's last epoch and of the nearest neighbours.
    """

    probe_accuracy: _Accuracy
    knn_accuracy: _Accuracy


_BASELINES = TypeAdapter(tuple[Baseline, ...])
_RAW = TypeAdapter(tuple[RawBaseline, ...])


def read_baselines(run_dir: Path) -> tuple[Baseline, ...]:
    """Read what clients learn alone; empty where nobody tried.

    Raises
    ------
    RunFolderError
        If the file cannot be understood.
    """
    return read_list(run_dir / FILE, _BASELINES, "what clients learn alone")


def read_raw(run_dir: Path) -> RawBaseline | None:
    """Read what the inputs alone are worth; ``None`` where nobody tried.

    Raises
    ------
    RunFolderError
        If the file cannot be understood.
    """
    found = read_list(run_dir / RAW_FILE, _RAW, "what raw inputs are worth")
    return found[0] if found else None
