"""How long a comparison will take, by what runs like its own took."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import mean, median
from typing import Final, final

from local_federation.compare.study import PlannedRun
from server_app.run_record import RunRecord, read_run_record
from strategies.common.errors import NectarError
from strategies.common.run_config import default_config

# Runs that agree in these take about as long per round, whatever their seed.
_ALIKE: Final = (
    *("data", "models", "batch-size", "local-epochs", "max-samples", "image-size"),
    *("window-length", "participation", "device", "clients-per-node"),
)
# Processes start, data are read, a report is written.
_START_S: Final = 4.0


@final
class Estimate:
    """Seconds per round of runs that were played.

    Parameters
    ----------
    folders : Iterable[Path]
        Folders that may hold runs; what cannot be read counts for nothing.
    num_clients : int
        Clients of the runs to come.
    """

    def __init__(self, folders: Iterable[Path], num_clients: int) -> None:
        self._num_clients = num_clients
        self._known = [record for folder in folders if (record := _record(folder)) is not None]

    def of(self, run: PlannedRun, rounds_done: int = 0) -> float | None:
        """Return the seconds that a run will take, or ``None`` where none like it is known.

        A method of which no run is known counts as the others do on average.
        """
        config = {**default_config(), **run.settings}
        alike = [record for record in self._known if self._alike(record, config)]
        paces = {
            method: [_pace(record) for record in alike if record.method == method]
            for method in {record.method for record in alike}
        }
        if not paces:
            return None
        own = paces.get(run.method)
        pace = median(own) if own else mean(median(others) for others in paces.values())
        return _START_S + pace * max(int(config["rounds"]) - rounds_done, 0)

    def _alike(self, record: RunRecord, config: dict[str, bool | int | float | str]) -> bool:
        return len(record.clients) == self._num_clients and all(
            record.settings.get(key) == config[key] for key in _ALIKE
        )


def in_all(seconds: Sequence[float | None], at_once: int) -> float | None:
    """Return how long several runs take when some are played at a time; ``None`` if unknown."""
    known = [one for one in seconds if one is not None]
    if len(known) < len(seconds):
        return None
    return max(sum(known) / at_once, max(known, default=0.0))


def _record(folder: Path) -> RunRecord | None:
    try:
        record = read_run_record(folder)
    except (NectarError, OSError):
        return None
    return record if record.rounds else None


def _pace(record: RunRecord) -> float:
    return median(line.seconds.get("total", 0.0) for line in record.rounds)
