"""The folder of a comparison: its lock, and what stands there of each run."""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, final

from local_federation.compare.study import PlannedRun, Value
from server_app.run_record import read_run_record
from strategies.common import folder_lock, same_run
from strategies.common.errors import RunFolderError
from strategies.common.new_file import whole
from strategies.common.run_config import default_config

_MARK: Final = ".comparison"
# What one leaves that ended before it wrote this file.
_UNSIGNED: Final = {folder_lock.NAME, f".{_MARK}.tmp"}
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
            hold = folder_lock.hold(self.folder, self._refusal)
        except OSError as error:
            raise self._unwritable(error) from None
        with hold:
            self.check_agrees(settings, num_clients)
            if not self._has_any_rounds():
                self._write_down(_in_common(settings, num_clients))
            yield

    def _write_down(self, asked: Mapping[str, Value]) -> None:
        try:
            with whole(self.folder / _MARK) as mark:
                mark.write_text(json.dumps(asked, indent=1))
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> RunFolderError:
        return RunFolderError(
            f"{self.folder}: cannot be written ({error.strerror}); name another --folder or --name"
        )

    def _refusal(self, holder: str) -> RunFolderError:
        return RunFolderError(
            f"{self.folder}: another process is at work on this comparison, {holder}; wait for its "
            f"end, end it, or choose another --name"
        )

    def check_agrees(self, settings: Mapping[str, Value], num_clients: int) -> None:
        """Refuse what was not asked for at first, once a round has been played; write nothing.

        Parameters
        ----------
        settings, num_clients : Mapping[str, Value], int
            As :meth:`held` takes them.

        Raises
        ------
        RunFolderError
            Naming the settings that differ, or if what was asked for at first is lost.
        """
        if not self._has_any_rounds():
            return
        asked, saved = _in_common(settings, num_clients), self._saved()
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

    def _saved(self) -> Mapping[str, object]:
        mark = self.folder / _MARK
        try:
            saved = json.loads(mark.read_text())
        except (OSError, ValueError):
            saved = None
        if not isinstance(saved, dict):
            raise RunFolderError(
                f"{mark}: expected the settings of all runs here, as JSON, got a damaged file, "
                f"so that nobody knows what to go on with; choose another --name, and compare the "
                f"runs here by python -m server_app.compare"
            )
        return saved

    def _has_any_rounds(self) -> bool:
        return self.folder.is_dir() and any(map(_has_rounds, self.folder.iterdir()))

    def check_own(self) -> None:
        """Refuse a folder that holds something else.

        Raises
        ------
        RunFolderError
            If it is not empty and no comparison was begun there, or it cannot be looked at.
        """
        try:
            if not self.folder.exists() or (self.folder / _MARK).is_file():
                return
            is_own = self.folder.is_dir() and not self._names() - _UNSIGNED
        except OSError as error:
            raise self._unwritable(error) from None
        if not is_own:
            raise RunFolderError(
                f"{self.folder}: expected the folder of a comparison, or none, found something "
                f"else; choose another --name"
            )

    def _names(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}

    def path(self, run: PlannedRun) -> Path:
        """Return a run's folder."""
        return self.folder / run.name

    def begun(self, run: PlannedRun) -> bool:
        """Tell whether a run has a complete round, so that it is gone on with."""
        return _has_rounds(self.path(run))

    def check_runs(self, runs: Iterable[PlannedRun]) -> None:
        """Refuse a run whose name another one of other settings has: names are short.

        Raises
        ------
        RunFolderError
            Naming the settings that differ, or if a journal is damaged.
        """
        for run in filter(self.begun, runs):
            saved = read_run_record(self.path(run)).settings
            # What was left to the server stands there as resolved.
            asked = {key: value for key, value in run.settings.items() if value != "auto"}
            if differing := same_run.differing(saved, asked, asked, follows_rounds=False):
                told = "; ".join(
                    f"{key} {asked[key]!r}, got {saved.get(key)!r}" for key in differing
                )
                raise RunFolderError(
                    f"{self.path(run)}: expected a run with {told}, which has the same name; "
                    f"choose another --name for this comparison"
                )

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


def _in_common(settings: Mapping[str, Value], num_clients: int) -> dict[str, Value]:
    return {"clients": num_clients, **settings}


def _has_rounds(folder: Path) -> bool:
    journal = folder / "rounds.jsonl"
    return journal.is_file() and journal.stat().st_size > 0
