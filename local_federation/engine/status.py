"""How runs of the engine ended: a file for each, for whoever watches."""

from pathlib import Path

from local_federation.host import COMPLETED, FAILED


def write_status(folder: Path, run_name: str, code: int) -> None:
    """Say that a run has ended.

    Parameters
    ----------
    folder : Path
        Takes a file per run; made if missing.
    run_name : str
        Which run.
    code : int
        Exit status of its process; negative for a signal.
    """
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{run_name}"
    temporary.write_text(COMPLETED if code == 0 else FAILED)
    temporary.replace(folder / run_name)


def read_status(folder: Path, run_name: str) -> str | None:
    """Return how a run ended, or ``None`` while it goes on."""
    file = folder / run_name
    return file.read_text() if file.exists() else None
