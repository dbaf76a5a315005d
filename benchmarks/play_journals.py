"""Plays federations with the code of the folder that it is started in.

Started by ``benchmarks.equal_journals``, as ``python play_journals.py FOLDER JOURNALS EXPERT`` with
settings by name as JSON on standard input.
"""

import json
import sys
from pathlib import Path


def main() -> None:
    """Play each federation and write all journals into one file."""
    folder, journals = Path(sys.argv[1]), Path(sys.argv[2])
    sys.path[:0] = [str(Path.cwd()), str(Path.cwd() / "tests")]
    from loopback import Federation  # noqa: PLC0415

    from tests.client_app.backbones import tiny_backbones  # noqa: PLC0415

    backbone = tiny_backbones.save(folder / "backbone", "masked")
    played = {}
    for name, settings in json.load(sys.stdin).items():
        nodes = settings.pop("nodes")
        if str(settings["method"]) in ("feddat", "fedadapter", "fedlora"):
            settings["adapters.backbone"] = f"folder:{backbone}"
        if settings.get("mocosfl.expert"):
            settings["mocosfl.expert"] = sys.argv[3]
        played[name] = Federation(folder / name, nodes, settings).play()
        sys.stderr.write(f"{name}\n")
    journals.write_text(json.dumps(played))


if __name__ == "__main__":
    main()
