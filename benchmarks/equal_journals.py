"""Whether two checkouts play every method to the same numbers.

Each checkout plays each federation below over the loopback grid of its own tests, with its own
code, in a process of its own. Journals must be equal but for ``seconds``, ``figures`` and bytes;
bytes that differ are listed by record. Of the fields that journals have had since some version
(``LATER``), those that BEFORE does not know yet are left out, and named below the table.

Run with ``python -m benchmarks.equal_journals BEFORE AFTER [--only NAME ...]``, two folders with
a checkout each; one environment serves both. What BEFORE played is kept with ``--keep FILE`` and
read from there the next time. The federation with frozen client models needs an expert for 8-pixel
digits at width 4, ``--expert FILE``, and is left out without one.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.federations_of_all_methods import FEDERATIONS

_PLAYER = Path(__file__).with_name("play_journals.py")
_Journals = dict[str, list[dict[str, Any]]]

MEASURED = ("seconds", "figures")
# Fields of lines and of clients' entries that older commits do not write; nothing else may be new.
LATER = (
    "macro_f1",
    "class_accuracy",
    "validation_accuracy",
    "validation_loss",
    "classified_by",
    "aside",
)
BYTES = ("uplink_bytes", "downlink_bytes", "payload_bytes")


def kept(
    file: Path | None, checkout: Path, names: list[str], folder: Path, expert: str
) -> _Journals:
    """Return journals from a file that holds them, or play them and keep them there."""
    if file is None:
        return played(checkout, names, folder, expert)
    if not file.is_file():
        file.write_text(json.dumps(played(checkout, names, folder, expert)))
    found: _Journals = json.loads(file.read_text())
    return found


def played(checkout: Path, names: list[str], folder: Path, expert: str) -> _Journals:
    """Play federations with the code of a checkout.

    Parameters
    ----------
    checkout : Path
        Whose code.
    names : list[str]
        Keys of ``FEDERATIONS``.
    folder : Path
        Empty; takes what the runs leave behind.
    expert : str
        File with an expert; empty for none.

    Returns
    -------
    dict[str, list[dict[str, Any]]]
        Journals by name.
    """
    journals = folder / "journals.json"
    asked = json.dumps({name: FEDERATIONS[name] for name in names})
    command = [sys.executable, str(_PLAYER), str(folder), str(journals), expert]
    subprocess.run(command, cwd=checkout, input=asked, text=True, check=True)  # noqa: S603
    found: _Journals = json.loads(journals.read_text())
    return found


def without(value: Any, keys: tuple[str, ...]) -> Any:
    """Return a journal without some keys, at any depth."""
    if isinstance(value, dict):
        return {key: without(entry, keys) for key, entry in value.items() if key not in keys}
    return [without(entry, keys) for entry in value] if isinstance(value, list) else value


def unknown_to(journals: _Journals) -> tuple[str, ...]:
    """Return those of ``LATER`` that no line and no client's entry of some journals has."""
    lines = [line for journal in journals.values() for line in journal]
    entries = [*lines, *(node for line in lines for node in line["nodes"].values())]
    return tuple(field for field in LATER if not any(field in entry for entry in entries))


def record_bytes(journal: list[dict[str, Any]]) -> dict[str, int]:
    """Return the bytes of a journal by record, over all rounds and nodes."""
    sums: dict[str, int] = {}
    for line in journal:
        for node in (*line["nodes"].values(), *line.get("aside", {}).values()):
            for record, count in node.get("payload_bytes", {}).items():
                sums[record] = sums.get(record, 0) + count
    return sums


def main() -> None:
    """Play, compare and say so; exit with 1 where journals differ."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--only", nargs="+", default=list(FEDERATIONS), choices=FEDERATIONS)
    parser.add_argument("--keep", type=Path, default=None)
    parser.add_argument("--expert", default="")
    chosen = parser.parse_args()
    names = [n for n in chosen.only if chosen.expert or "mocosfl.expert" not in FEDERATIONS[n]]
    with TemporaryDirectory() as temporary:
        # The run's name and folders travel with orders: of equal length, so that bytes compare.
        first, second = (Path(temporary) / name for name in ("one", "two"))
        first.mkdir()
        second.mkdir()
        before = kept(chosen.keep, chosen.before, names, first, chosen.expert)
        after = played(chosen.after, names, second, chosen.expert)
    later = unknown_to({name: before[name] for name in names})
    table = Table("federation", "rounds", "numbers", "bytes that differ, before to after")
    differ = False
    for name in names:
        old, new = before[name], after[name]
        ignored = MEASURED + BYTES + later
        equal = without(old, ignored) == without(new, ignored)
        differ = differ or not equal
        sums, others = record_bytes(old), record_bytes(new)
        changed = [
            f"{record} {sums.get(record, 0)} to {others.get(record, 0)}"
            for record in sorted(sums | others)
            if sums.get(record) != others.get(record)
        ]
        table.add_row(name, str(len(new)), "equal" if equal else "DIFFERENT", "\n".join(changed))
    Console().print(table)
    if later:
        Console().print(f"not compared, since BEFORE does not know them: {', '.join(later)}")
    sys.exit(differ)


if __name__ == "__main__":
    main()
