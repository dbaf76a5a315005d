"""A run's numbers, pictures and settings in MLflow.

Server and experiment are for the library's own settings, such as ``MLFLOW_TRACKING_URI`` and
``MLFLOW_EXPERIMENT_NAME``.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, TypeVar, final

from server_app.journal import RoundLine
from server_app.writers.round_writer import FINAL_ACCURACY, Summary, scalars
from strategies.common.run_config import RunConfig

# What every store takes: https://mlflow.org/docs/latest/api_reference/python_api/mlflow.html
_BATCH: Final = 100
_LONGEST_VALUE: Final = 500
_FORBIDDEN: Final = re.compile(r"[^/\w.\- ]")

_Value = TypeVar("_Value")


@final
class MLflow:
    """One run in MLflow.

    Parameters
    ----------
    folder : Path
        The run's folder; its name is the run's.
    told_as : str
        Id of the run there that is gone on with; empty begins one.
    """

    def __init__(self, folder: Path, told_as: str = "") -> None:
        self.told_as = told_as
        self._folder = folder
        self._begun = False

    def begin(self, settings: RunConfig) -> None:
        """Begin a run there, or go on with it; its settings cannot change any more."""
        import mlflow  # noqa: PLC0415 - an extra

        resumed = bool(self.told_as)
        # Nested in a run that the same thread has there for itself, if any.
        run = mlflow.start_run(
            run_id=self.told_as or None,
            run_name=None if resumed else self._folder.name,
            nested=True,
        )
        self._begun = True
        self.told_as = str(run.info.run_id)
        if resumed:
            return
        values = {key: str(value)[:_LONGEST_VALUE] for key, value in settings.items()}
        for some in _batches(values):
            mlflow.log_params(some)

    def round(self, line: RoundLine, pictures: Mapping[str, Path]) -> None:
        """Tell a round; its number is the step."""
        import mlflow  # noqa: PLC0415 - an extra

        told = {_FORBIDDEN.sub("_", name): value for name, value in scalars(line).items()}
        for some in _batches(told):
            mlflow.log_metrics(some, step=line.round_number)
        for file in pictures.values():
            mlflow.log_artifact(str(file), artifact_path=f"images/{file.parent.name}")

    def end(self, summary: Summary) -> None:
        """Finish the run there, as failed where it did."""
        if not self._begun:
            return
        self._begun = False
        import mlflow  # noqa: PLC0415 - an extra

        try:
            if summary.accuracy is not None:
                mlflow.log_metrics({FINAL_ACCURACY: summary.accuracy}, step=summary.rounds)
        finally:
            mlflow.end_run("FINISHED" if summary.finished else "FAILED")


def _batches(values: Mapping[str, _Value]) -> Iterator[dict[str, _Value]]:
    items = list(values.items())
    for start in range(0, len(items), _BATCH):
        yield dict(items[start : start + _BATCH])
