"""What an earlier run left, as far as those who may replace it look at it."""

from pathlib import Path

SETTINGS = '[settings]\nmethod = "local"\n[versions]\nnectar = "0.1.0"\n'


def write_run(folder: Path, *, rounds: int = 1) -> None:
    """Write a run's marks and a journal of so many lines."""
    folder.mkdir(parents=True)
    (folder / "settings.toml").write_text(SETTINGS)
    (folder / "rounds.jsonl").write_text("{}\n" * rounds)
