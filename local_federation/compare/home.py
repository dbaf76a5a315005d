"""The folder of a comparison: its lock, and what stands there of each run."""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO, final

from local_federation.compare.study import PlannedRun, Value
from server_app.run_record import read_run_record
from strategies.common import folder_lock
from strategies.common.errors import RunFolderError
from strategies.common.run_config import default_config

_MARK: Final = ".comparison"
# What a comparison keeps beside its runs.
ENGINE: Final = ".federation"


@final
class StudyHome:
    """Folder that holds a comparison's runs and its results; no result in it is ever removed.

    Parameters
    ----------
    folder : Path
        Made if missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def held(self, settings: Mapping[str, Value], num_clients: int) -> Iterator[None]:
        """Hold the folder, so that nobody else plays in it; the lock ends with this process.

        Parameters
        ----------
        settings : Mapping[str, Value]
            Settings of all runs that differ from the defaults.
        num_clients : int
            Clients of each run.

        Raises
        ------
        RunFolderError
            If it is no comparison's folder, holds rounds that were played with other settings,
            cannot be written, or is held by another process.
        """
        self.check_own()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            mark = (self.folder / _MARK).open("a+")
        except OSError as error:
            raise RunFolderError(
                f"{self.folder}: cannot be written ({error.strerror}); name another --folder"
            ) from None
        with mark, folder_lock.hold(self.folder, self._refusal):
            self._agree(mark, {"clients": num_clients, **settings})
            yield

    def _refusal(self, holder: str) -> RunFolderError:
        return RunFolderError(
            f"{self.folder}: another process is at work on this comparison, {holder}; wait for its "
            f"end, end it, or choose another --name"
        )

    def _agree(self, mark: TextIO, asked: Mapping[str, Value]) -> None:
        """Write down what all runs have in common, or refuse what was not asked for at first."""
        mark.seek(0)
        text = mark.read()
        if not text or not any(map(_has_rounds, self.folder.iterdir())):
            mark.truncate(0)
            mark.write(json.dumps(asked, indent=1))
            mark.flush()
            return
        saved = json.loads(text)
        differing = [
            f"{key} was {saved.get(key, 'not set')!r} and is {asked.get(key, 'not set')!r}"
            for key in sorted({*saved, *asked})
            if saved.get(key) != asked.get(key)
        ]
        if differing:
            raise RunFolderError(
                f"{self.folder}: was begun with other settings: {'; '.join(differing)}; choose "
                f"another --name for this comparison"
            )

    def check_own(self) -> None:
        """Refuse a folder that holds something else.

        Raises
        ------
        RunFolderError
            If it is not empty and no comparison was begun there.
        """
        if not self.folder.exists() or (self.folder / _MARK).is_file():
            return
        if not self.folder.is_dir() or any(self.folder.iterdir()):
            raise RunFolderError(
                f"{self.folder}: expected the folder of a comparison, or none, found something "
                f"else; choose another --name"
            )

    def path(self, run: PlannedRun) -> Path:
        """Return a run's folder."""
        return self.folder / run.name

    def begun(self, run: PlannedRun) -> bool:
        """Tell whether a run has a complete round, so that it is gone on with."""
        return _has_rounds(self.path(run))

    def finished(self, run: PlannedRun) -> bool:
        """Tell whether all rounds of a run are in its journal, up to the one that stopped it.

        Raises
        ------
        RunFolderError
            If its journal is damaged.
        """
        if not self.begun(run):
            return False
        record = read_run_record(self.path(run))
        rounds = run.settings.get("rounds", default_config()["rounds"])
        if record.stop:
            return True
        return bool(record.rounds) and record.rounds[-1].round_number >= int(rounds)

    def models_bytes(self, runs: Iterable[PlannedRun]) -> int:
        """Return how much the clients' models of some runs take on the disk."""
        files = (file for run in runs for file in (self._states / run.name).glob("*/*"))
        return sum(file.stat().st_size for file in files)

    def drop_models(self, runs: Iterable[PlannedRun]) -> None:
        """Remove the clients' models of those of some runs that have come to their end."""
        for run in runs:
            if self.finished(run):
                shutil.rmtree(self._states / run.name, ignore_errors=True)

    @property
    def _states(self) -> Path:
        return self.folder / ENGINE / "state"

    def whole_settings(self, run: PlannedRun, num_clients: int) -> dict[str, Value]:
        """Return a run's settings with the places where it is played."""
        return {
            **run.settings,
            "run-name": run.name,
            "runs-dir": str(self.folder),
            "state-dir": str(self._states),
            "min-nodes": num_clients,
            "resume": self.begun(run),
        }


def _has_rounds(folder: Path) -> bool:
    journal = folder / "rounds.jsonl"
    return journal.is_file() and journal.stat().st_size > 0
