"""Run folders of some methods and seeds, whose numbers can be checked by hand."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from server_app.compare.arms import read_arms
from server_app.compare.standings import Standing, standings
from tests.server_app.run_folders import round_of, write_run


@dataclass
class Runs:
    """Folders written so far."""

    root: Path
    folders: list[Path] = field(default_factory=list)

    def add(
        self,
        method: str,
        seed: int,
        levels: Sequence[float] | Sequence[dict[str, Any]],
        **changes: Any,
    ) -> Path:
        """Write a run; a level is the accuracy of both clients, anything else a whole line."""
        settings = {"seed": seed, "rounds": len(levels), **changes.pop("settings", {})}
        lines = [
            level if isinstance(level, dict) else round_of(number, (level, level), method=method)
            for number, level in enumerate(levels, start=1)
        ]
        name = changes.pop("name", f"{method}-{seed}-{len(self.folders)}")
        folder = write_run(self.root / name, lines, method=method, settings=settings, **changes)
        self.folders.append(folder)
        return folder

    def rows(self) -> tuple[Standing, ...]:
        """Return all runs in numbers."""
        return standings(read_arms(self.folders))
