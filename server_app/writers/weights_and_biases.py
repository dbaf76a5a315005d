"""A run's numbers, pictures and settings at Weights & Biases.

Account, project and whether anything leaves the machine are for the library's own settings, such
as ``WANDB_API_KEY``, ``WANDB_PROJECT`` and ``WANDB_MODE``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from server_app.journal import RoundLine
from server_app.writers.round_writer import FINAL_ACCURACY, Summary, scalars
from strategies.common.run_config import RunConfig


@final
class WeightsAndBiases:
    """One run at Weights & Biases.

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
        self._run: Any = None

    def begin(self, settings: RunConfig) -> None:
        """Begin a run there, or go on with it."""
        import wandb  # noqa: PLC0415 - an extra

        resumed = bool(self.told_as)
        self._run = wandb.init(
            name=self._folder.name,
            id=self.told_as or None,
            resume="allow" if resumed else None,
            dir=str(self._folder),
            config=_nested(settings),
            # More rounds may be asked for when a run is gone on with.
            allow_val_change=resumed,
            # A run that the same process has there for itself is left alone.
            reinit="create_new",
        )
        self.told_as = str(self._run.id)

    def round(self, line: RoundLine, pictures: Mapping[str, Path]) -> None:
        """Tell a round; its number is the step."""
        import wandb  # noqa: PLC0415 - an extra

        drawn = {f"images/{name}": wandb.Image(str(file)) for name, file in pictures.items()}
        self._run.log({**scalars(line), **drawn}, step=line.round_number)

    def end(self, summary: Summary) -> None:
        """Finish the run there, as failed where it did."""
        run, self._run = self._run, None
        if run is None:
            return
        try:
            if summary.accuracy is not None:
                run.summary[FINAL_ACCURACY] = summary.accuracy
        finally:
            run.finish(exit_code=0 if summary.finished else 1)


def _nested(settings: RunConfig) -> dict[str, Any]:
    """Return settings with tables as mappings: their pages take dots in names for paths."""
    nested: dict[str, Any] = {}
    for key, value in settings.items():
        table, dot, name = key.partition(".")
        if dot:
            nested.setdefault(table, {})[name] = value
        else:
            nested[key] = value
    return nested
