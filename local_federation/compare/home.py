"""The folder of a comparison: its lock, and what stands there of each run."""

import fcntl
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, final

from local_federation.compare.study import PlannedRun, Value
from server_app.run_record import read_run_record
from strategies.common.errors import RunFolderError
from strategies.common.settings import default_config

_MARK: Final = ".comparison"
# Folders that a comparison keeps beside its runs.
ENGINE: Final = ".federation"


@final
class StudyHome:
    """Folder that holds a comparison's runs and its results; nothing in it is ever removed.

    Parameters
    ----------
    folder : Path
        Made if missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder, so that nobody else plays in it; the lock ends with this process.

        Raises
        ------
        RunFolderError
            If it is no comparison's folder, cannot be written, or is held by another process.
        """
        self.check_own()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            mark = (self.folder / _MARK).open("a")
        except OSError as error:
            raise RunFolderError(
                f"{self.folder}: cannot be written ({error.strerror}); name another --folder"
            ) from None
        with mark:
            try:
                fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise RunFolderError(
                    f"{self.folder}: another process is at work on this comparison; wait for it, "
                    f"or choose another --name"
                ) from None
            yield

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
        """Tell whether a run has begun, so that it is gone on with."""
        return (self.path(run) / "settings.toml").is_file()

    def finished(self, run: PlannedRun) -> bool:
        """Tell whether all rounds of a run are in its journal.

        Raises
        ------
        RunFolderError
            If its journal is damaged.
        """
        if not self.begun(run):
            return False
        record = read_run_record(self.path(run))
        rounds = run.settings.get("rounds", default_config()["rounds"])
        return bool(record.rounds) and record.rounds[-1].round_number >= int(rounds)

    def check(self, runs: Sequence[PlannedRun], num_clients: int) -> None:
        """Refuse runs that were begun with other settings than they are asked for now.

        Raises
        ------
        RunFolderError
            With the settings that differ.
        """
        for run in runs:
            if not self.begun(run):
                continue
            text = (self.path(run) / "settings.toml").read_text("utf-8")
            saved = dict(tomllib.loads(text).get("settings", {}))
            asked = {**default_config(), **run.settings, "min-nodes": num_clients}
            differing = [
                f"{key} was {saved[key]!r} and is {value!r}"
                for key, value in sorted(asked.items())
                if key in saved and key not in _FREE and not _same(saved[key], value)
            ]
            if differing:
                raise RunFolderError(
                    f"{self.path(run)}: was begun with other settings: {'; '.join(differing)}; "
                    f"choose another --name for this comparison"
                )

    def whole_settings(self, run: PlannedRun, num_clients: int) -> dict[str, Value]:
        """Return a run's settings with the places where it is played."""
        return {
            **run.settings,
            "run-name": run.name,
            "runs-dir": str(self.folder),
            "state-dir": str(self.folder / ENGINE / "state"),
            "min-nodes": num_clients,
            "resume": self.begun(run),
        }


# What a run's folder may say otherwise: where it lay, and whether it was gone on with.
_FREE = frozenset({"run-name", "runs-dir", "state-dir", "resume"})


def _same(saved: object, asked: object) -> bool:
    # "auto" and the like are saved as they were resolved.
    return saved == asked or asked in ("auto", "")
