"""The programs that a run is told to, as its settings choose them; none can end the run."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from logging import WARNING
from pathlib import Path
from typing import Final, final

from flwr.common.logger import log

from server_app.journal import RoundLine
from server_app.run_folder import RunFolder
from server_app.writers.mlflow import MLflow
from server_app.writers.round_writer import RoundWriter, Summary, told_settings
from server_app.writers.tensorboard import TensorBoardLog
from server_app.writers.weights_and_biases import WeightsAndBiases
from strategies.common.errors import RunFolderError, SettingsError
from strategies.common.run_config import RunConfig, known_name

# What is told where under which name, for runs that are gone on with.
FILE: Final = "writers.json"
# Programs that have the run under a name of their own; the extra and the package are called alike.
_ELSEWHERE: Final[Mapping[str, Callable[[Path, str], RoundWriter]]] = {
    "wandb": WeightsAndBiases,
    "mlflow": MLflow,
}
_KNOWN: Final = {"tensorboard": None, **_ELSEWHERE}


def check(writers: str) -> tuple[str, ...]:
    """Return the names in the setting ``writers``.

    Parameters
    ----------
    writers : str
        Comma separated; empty for none.

    Raises
    ------
    SettingsError
        If one is unknown, or its library is not installed. TensorBoard's absence is no error but a
        warning when the run begins, as it is on unless told otherwise.
    """
    names = tuple(dict.fromkeys(name.strip() for name in writers.split(",") if name.strip()))
    for name in names:
        known_name("setting writers", name, _KNOWN)
        if name in _ELSEWHERE and not _is_installed(name):
            raise SettingsError(
                f"setting writers: expected installed libraries, and {name} is not; install it "
                f"with pip install '.[{name}]' in the checkout, or leave it out of writers"
            )
    return names


def _is_installed(package: str) -> bool:
    try:
        spec = find_spec(package)
    except ValueError:  # imported without a loader
        return True
    # These libraries leave folders of their own name where they run, which Python can import.
    return spec is not None and spec.origin is not None


@dataclass
class _Told:
    """A writer, and the last round that it was told in an earlier part of the run."""

    name: str
    writer: RoundWriter
    round_number: int


@final
class ChosenWriters:
    """All writers of one run; each that fails says so once, and is told no more.

    Parameters
    ----------
    names : tuple[str, ...]
        As ``check`` returns them.
    folder : RunFolder
        The run's folder.
    last_round : int
        Round after which the run goes on; 0 for a run that begins.
    resumed : bool
        Whether it is gone on with.
    """

    def __init__(
        self, names: tuple[str, ...], folder: RunFolder, *, last_round: int, resumed: bool
    ) -> None:
        self._folder = folder
        self._accuracy: float | None = None
        self._last_round = last_round
        self._earlier = _read(folder.path / FILE) if resumed else {}
        self._members = [self._member(name) for name in names]

    def begin(self, config: RunConfig) -> None:
        """Tell what the run is played with; all settings may be given."""
        settings = told_settings(config)
        self._each(lambda told: told.writer.begin(settings))
        self._note()

    def round(self, line: RoundLine, pictures: Mapping[str, Path]) -> None:
        """Tell a complete round to all that were not told it before the run was gone on with."""
        if line.accuracy is not None:
            self._accuracy = line.accuracy
        self._last_round = line.round_number
        due = [told for told in self._members if told.round_number < line.round_number]
        for told in due:
            told.round_number = line.round_number
        # Noted first: a crash in between may leave a round out, but never tells one twice.
        self._note()
        self._each(lambda told: told.writer.round(line, pictures), due)

    def end(self, *, finished: bool) -> None:
        """Finish all; nothing is told afterwards."""
        summary = Summary(finished, self._last_round, self._accuracy)
        self._each(lambda told: told.writer.end(summary))
        self._members = []

    def _member(self, name: str) -> _Told:
        if name in _ELSEWHERE:
            told_as, round_number = self._earlier.get(name, ("", 0))
            return _Told(name, _ELSEWHERE[name](self._folder.path, told_as), round_number)
        events = self._folder.path / "tensorboard"
        return _Told(name, TensorBoardLog(events, first_round=self._last_round + 1), 0)

    def _each(self, tell: Callable[[_Told], None], members: Sequence[_Told] | None = None) -> None:
        for told in list(self._members if members is None else members):
            try:
                tell(told)
            # Libraries and networks of others: whatever goes wrong there, the run goes on.
            except Exception as error:
                self._members.remove(told)
                reason = (str(error).splitlines() or [""])[0][:200]
                log(
                    WARNING,
                    "writers: %s failed (%s: %s); the run goes on and tells it no more",
                    told.name,
                    type(error).__name__,
                    reason,
                )
                with suppress(Exception):
                    told.writer.end(Summary(False, self._last_round, None))

    def _note(self) -> None:
        """Write down what is told elsewhere, so that no round is told twice."""
        told = {
            told.name: (told.writer.told_as, told.round_number)
            for told in self._members
            if told.writer.told_as
        }
        if told:
            self._earlier |= told
            # A full disk is for the journal to tell.
            with suppress(RunFolderError):
                self._folder.write(FILE, json.dumps(self._earlier))


def _read(path: Path) -> dict[str, tuple[str, int]]:
    """Return the name elsewhere and the last round told, by writer; a damaged file tells none."""
    try:
        told = json.loads(path.read_text("utf-8"))
        return {str(name): (str(run), int(number)) for name, (run, number) in told.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
