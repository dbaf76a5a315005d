"""The part of ``python -m client_app.profile`` that measures a round of a message method."""

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from rich.table import Table

from client_app.node import NodeConfig
from client_app.profiling import planner
from client_app.profiling.message_round import MessageWorkload, RoundFigures
from client_app.profiling.options import DEFAULTS, number, round_config
from client_app.reader import Printer
from models import catalogue
from strategies import methods, tables
from strategies.common.errors import SettingsError
from strategies.common.inputs import Images
from strategies.common.run_config import RunConfig, known_name, read_run
from strategies.common.settings import RunSettings
from strategies.common.settings_changes import read_changes

_MIB: Final = 2**20

# Measures a workload, both as JSON, with a number of torch threads.
Apart = Callable[[str, int], str]


def add_options(parser: argparse.ArgumentParser, positive: Callable[[str], int]) -> None:
    """Add the options of a round, and the memory that any client is held against."""
    known = ", ".join(name for name in methods.METHODS if _is_measured(name))
    parser.add_argument("--method", default="", help=f"measure a round of it: {known}")
    parser.add_argument("--model", help="of a round: the client's model (cnn)")
    parser.add_argument(
        "--data", metavar="SPEC", help="of a round: take sizes and counts from a data source"
    )
    for name, text in (
        ("classes", "classes"),
        ("samples", "the client's samples, a quarter of them to test on"),
    ):
        shown = f"of a round without --data: {text} ({DEFAULTS[name]})"
        parser.add_argument(f"--{name}", type=positive, metavar="N", help=shown)
    parser.add_argument(
        "--set",
        dest="changes",
        action="append",
        metavar="KEY=VALUE",
        help="of a round: a setting that differs from the defaults; may be repeated",
    )
    parser.add_argument(
        "--memory",
        default="",
        metavar="AMOUNT",
        help="of the device, e.g. 512M or 2G (what is available on this machine)",
    )


def tell(asked: argparse.Namespace, apart: Apart) -> None:
    """Measure a round, and print it.

    Raises
    ------
    NectarError
        If there is nothing to tell.
    """
    limit = planner.limit(asked.memory)
    work = _workload(asked)
    settings = read_run(work.config)

    def measured(one: MessageWorkload) -> RoundFigures:
        return RoundFigures.from_json(apart(one.to_json(), settings.client_threads))

    figures = measured(work)
    if asked.json:
        sys.stdout.write(f"{figures.to_json()}\n")
        return

    def peak(batch: int) -> int:
        return measured(replace(work, config={**work.config, "batch-size": batch})).peak_bytes

    found = planner.verdict(limit, settings.batch_size, figures.peak_bytes, peak)
    console = Printer()
    console.print(_table(figures, work, settings))
    console.print(
        planner.line(found, settings.batch_size, figures.peak_bytes, limit), soft_wrap=True
    )


def _is_measured(method: str) -> bool:
    return not methods.exchanges(method) and not methods.adapts(method)


def _workload(asked: argparse.Namespace) -> MessageWorkload:
    known_name("--method", asked.method, methods.METHODS)
    if not _is_measured(asked.method):
        raise SettingsError(
            f"--method {asked.method}: expected a method whose clients train models of their own; "
            f"without --method a split method's step is measured, adapters are not"
        )
    config = round_config(asked)
    settings = read_run(config)
    methods.method_settings(asked.method, config)
    tables.check_read(read_changes(asked.changes or []), [config])
    model = asked.model or "cnn"
    catalogue.check(model)
    if asked.data:
        return _like_data(config, settings, model, asked.data)
    total, classes = number(asked, "samples"), number(asked, "classes")
    test = max(1, total // 4)
    side = number(asked, "image")
    images = Images(number(asked, "channels"), side, side)
    return MessageWorkload(config, model, images, classes, max(2, total - test), test)


def _like_data(config: RunConfig, settings: RunSettings, model: str, spec: str) -> MessageWorkload:
    """Return a round on noise of the sizes and counts that a data source has."""
    # A device that measures itself before its first round reads no data here.
    from client_app.data.__main__ import look  # noqa: PLC0415

    data = look(settings, spec, NodeConfig(partition_id=0, num_partitions=1))
    return MessageWorkload(
        config, model, data.inputs, data.num_classes, len(data.train), len(data.test)
    )


def _table(figures: RoundFigures, work: MessageWorkload, settings: RunSettings) -> Table:
    title = (
        f"One client of {methods.display_name(settings.method)}: {catalogue.shown(work.model)}; "
        f"{work.train_samples} {work.inputs}, batches of {settings.batch_size}"
    )
    table = Table(title=title, title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("what it is")
    epochs = f"{settings.local_epochs} epoch{'s' if settings.local_epochs > 1 else ''}"
    for name, value, meaning in (
        ("parameters", f"{figures.parameters:,}", "weights of the client's model"),
        ("peak memory", f"{figures.extra_bytes / _MIB:.1f} MiB", "above the idle process"),
        ("  in total", f"{figures.peak_bytes / _MIB:.0f} MiB", "with Python and libraries"),
        ("time", f"{figures.train_s:.2f} s", f"of learning, {epochs}"),
        ("  test", f"{figures.test_s:.2f} s", f"of {work.test_samples} samples"),
        ("up", f"{figures.bytes_up:,} B", "per round, payload"),
        ("down", f"{figures.bytes_down:,} B", "per round, payload"),
    ):
        table.add_row(name, value, meaning)
    return table
