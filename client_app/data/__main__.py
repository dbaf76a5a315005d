"""Look at a device's own data before any run: ``python -m client_app.data SPEC``.

Prints classes, counts, sizes, channels, ranges, what is left out and why, and the split, as a run
with the same settings would have them, and draws a sheet of samples per class. A split that the
device's state folder keeps counts; nothing is written but the sheet.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from client_app.command import exit_status
from client_app.data import copies, keeper, prepared, sheet, sources
from client_app.data.client_data import ClientData
from client_app.data.left_out import shown
from client_app.node import NodeConfig, read_node, read_words, state_folder
from client_app.reader import Printer
from strategies.common.errors import SettingsError
from strategies.common.home import expanded
from strategies.common.new_file import mark, require_picture_place, whole_picture
from strategies.common.run_config import read_run
from strategies.common.samples import class_counts
from strategies.common.settings import RunSettings
from strategies.common.settings_changes import changed_config, read_changes
from strategies.common.typed_once import CommandLine


def main(arguments: Sequence[str] | None = None) -> int:
    """Look, tell and return the exit status: 0, or 1 if there is nothing to tell.

    Parameters
    ----------
    arguments : Sequence[str] | None
        The command line; ``None`` takes the process's own.
    """
    asked = _parser().parse_args(arguments)
    return exit_status(lambda: _tell_all(asked))


def look(settings: RunSettings, spec: str, node: NodeConfig) -> ClientData:
    """Return a client's data as a run would prepare them, without a trace.

    Raises
    ------
    NectarError
        If they cannot be had.
    """
    with tempfile.TemporaryDirectory() as folder:
        kept = state_folder(node, settings) / keeper.FOLDER
        if kept.is_dir():
            shutil.copytree(kept, Path(folder) / keeper.FOLDER)
        where = Path(folder) / "prepared"
        read = node.reading(settings)
        return prepared.load(read, spec, node.partition_id, node.num_partitions, where)


def _tell_all(asked: argparse.Namespace) -> list[str]:
    settings = read_run(changed_config(asked.changes))
    for key in filter(lambda key: "." in key, read_changes(asked.changes)):
        raise SettingsError(
            f"--set {key}: expected a general setting, got one of a table, which changes nothing "
            f"about data; leave it out"
        )
    if asked.sheet:
        asked.sheet = expanded(asked.sheet, "--sheet ")
        _require_sheet(asked.sheet)
    node = _node(asked)
    spec = asked.spec or node.data or settings.data
    if asked.sheet:
        sources.parse(spec).require_apart("--sheet", asked.sheet)
    data = look(settings, spec, node)
    if asked.sheet:
        _save(data, asked.sheet)
    _tell(data, f"{spec}: client {node.partition_id} of {node.num_partitions}")
    return [f"sheet: {asked.sheet}"] if asked.sheet else []


def _node(asked: argparse.Namespace) -> NodeConfig:
    given = read_words(asked.node_config)
    for key in ("partition-id", "num-partitions"):
        value = getattr(asked, key.removesuffix("-id").replace("-", "_"))
        if value is not None:
            given[key] = value
    return read_node({"partition-id": 0, "num-partitions": 1, **given})


def _require_sheet(path: Path) -> None:
    if path.suffix.lower() != ".png":
        raise SettingsError(f"--sheet {path}: expected a name that ends in .png")
    require_picture_place("--sheet", path)


def _save(data: ClientData, path: Path) -> None:
    try:
        with whole_picture(path) as file:
            sheet.draw(data).save(file, format="PNG", pnginfo=mark())
    except OSError as error:
        raise SettingsError(
            f"--sheet {path}: cannot be written ({error.strerror or error}); name a file in a "
            f"folder that is there and may be written"
        ) from None


def _tell(data: ClientData, title: str) -> None:
    console = Printer(soft_wrap=True)
    train, test = data.train, data.test
    count = len(train) + len(test)
    inputs = [part.inputs for part in (train, test) if len(part)]
    low, high = min(float(x.min()) for x in inputs), max(float(x.max()) for x in inputs)
    mean = sum(float(x.double().sum()) for x in inputs) / sum(x.numel() for x in inputs)
    kind = str(train.inputs.dtype).removeprefix("torch.")
    console.print(shown(title))
    console.print(f"inputs   {data.inputs}")
    console.print(f"range    {kind} from {low:.6g} to {high:.6g}, mean {mean:.4g}")
    console.print(f"samples  {count}: {len(train)} to train on, {len(test)} to test on")
    if train.questions:
        about = [len(set(copies.digests(part.inputs))) for part in (train, test)]
        console.print(f"pictures {about[0]} to train on, {about[1]} to test on")
    what = "answers" if train.questions else "classes"
    console.print(f"{what}  {data.num_classes}")
    table = Table(box=None, pad_edge=False)
    for name, justify in (("", "right"), (what, "left"), ("train", "right"), ("test", "right")):
        table.add_column(name, justify="right" if justify == "right" else "left")
    counts = (class_counts(part, data.num_classes) for part in (train, test))
    for label, row in enumerate(zip(data.class_names, *counts, strict=True)):
        table.add_row(str(label), *map(shown, map(str, row)))
    console.print(table)
    for note in data.notes or ("nothing is left out",):
        console.print(f"note     {shown(note)}")


def _parser() -> argparse.ArgumentParser:
    parser = CommandLine(prog="python -m client_app.data", description=__doc__)
    parser.add_argument(
        "spec", nargs="?", metavar="SPEC", help="data source, e.g. folder:/data/images or digits"
    )
    parser.add_argument(
        "--node-config", default="", help="as given to flower-supernode, e.g. its state-dir"
    )
    parser.add_argument("--partition", type=int, metavar="N", help="client, from 0 (0)")
    parser.add_argument("--num-partitions", type=int, metavar="N", help="clients in all (1)")
    parser.add_argument(
        "--set",
        dest="changes",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of the run that differs from the defaults, as TOML; may be repeated",
    )
    parser.add_argument("--sheet", type=Path, metavar="FILE.png", help="draw samples per class")
    return parser


if __name__ == "__main__":
    sys.exit(main())
