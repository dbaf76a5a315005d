"""What each client of a split method learns alone, as it stands beside a run."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, final

from pydantic import Field, TypeAdapter, ValidationError

from strategies.common.errors import RunFolderError

FILE = "alone.json"

_Accuracy = Annotated[float, Field(ge=0, le=1)]


@final
@dataclass(frozen=True)
class Floor:
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


_FLOORS = TypeAdapter(tuple[Floor, ...])


def read_floors(run_dir: Path) -> tuple[Floor, ...]:
    """Read what clients learn alone; empty where nobody tried.

    Raises
    ------
    RunFolderError
        If the file cannot be understood.
    """
    path = run_dir / FILE
    if not path.is_file():
        return ()
    try:
        return _FLOORS.validate_python(json.loads(path.read_bytes()))
    except (ValueError, ValidationError) as error:
        reason = str(error).split("\n", 1)[0]
        raise RunFolderError(f"{path}: expected what clients learn alone, got {reason}") from None
