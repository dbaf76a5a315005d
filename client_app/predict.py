"""Classify files with an exported model: ``python -m client_app.predict MODEL FILES...``.

Prints each file, or each line of a file of texts, with its classes and their scores, which are the
softmax of the model's outputs. Images are read as the data source ``folder`` reads them; sensor
windows are NumPy files of one window (channels, steps), or of several, which are told apart by
their number. What cannot be read is named on standard error, the others are classified all the
same, and the exit status is then 1.
"""

import argparse
import csv
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from rich.console import Console

from client_app import reader
from client_app.data.left_out import shown
from client_app.exporting import classifying, classifying_texts
from client_app.exporting.classifying import Classified
from client_app.exporting.opened import open_model
from strategies.common.errors import NectarError, StoreError
from strategies.common.home import expanded
from strategies.common.inputs import Images, Tokens
from strategies.common.long_work import LongWork
from strategies.common.new_file import require_place, whole
from strategies.common.typed_once import CommandLine

_HEAD: Final = ("file", "label", "score")


def main(arguments: Sequence[str] | None = None) -> int:
    """Classify, and return the exit status: 0, or 1 if anything could not be.

    Parameters
    ----------
    arguments : Sequence[str] | None
        The command line; ``None`` takes the process's own.
    """
    asked = _parser().parse_args(arguments)
    try:
        return _predict(asked)
    except BrokenPipeError:
        reader.forget()
        return 0
    except NectarError as error:
        sys.stderr.write(f"{type(error).__name__}: {shown(str(error))}\n")
        return 1


def _predict(asked: argparse.Namespace) -> int:
    if asked.csv is not None:
        asked.csv = expanded(asked.csv, "--csv ")
        require_place("--csv", asked.csv, replace=asked.replace)
        _require_ours(asked.csv)
    opened = open_model(asked.model_folder, asked.model)
    top = min(asked.top, len(opened.card.classes))
    if isinstance(opened.card.what, Tokens):
        numbering = classifying_texts.numbering_of(opened, asked.vocabulary_file)
        texts = classifying_texts.gather(asked.files)
        _require_other(asked.csv, texts.paths)
        told = classifying_texts.classify(opened, numbering, texts.texts, top)
        left = f"{texts.empty} lines without a word left out" if texts.empty else ""
        return _finish(asked, told, len(texts.texts), texts.refused, top, "texts", left)
    what = classifying.require_files(opened)
    found = classifying.gather(asked.files, what)
    _require_other(asked.csv, found.paths)
    told = classifying.classify(opened, found.paths, top)
    left = f"{found.left_out} other files in folders left out" if found.left_out else ""
    called = "images" if isinstance(what, Images) else "files of windows"
    return _finish(asked, told, len(found.paths), found.refused, top, called, left)


def _finish(
    asked: argparse.Namespace,
    found: Iterable[Classified],
    total: int,
    named: Mapping[str, str],
    top: int,
    what: str,
    left: str,
) -> int:
    """Tell what is found and what is refused, and return the exit status."""
    refused = len(named)
    for name, reason in named.items():
        _refuse(name, reason)
    told = _shown_progress(found, total)
    if asked.csv is None:
        refused += _print(told)
    else:
        refused += _write(told, asked.csv, top, replace=asked.replace)
    parts = [f"{total} {what}", left, f"{refused} refused" if refused else ""]
    sys.stderr.write(", ".join(filter(None, parts)) + "\n")
    return 1 if refused else 0


def _print(told: Iterable[Classified]) -> int:
    """Print what is found, and return how many files are refused.

    Raises
    ------
    BrokenPipeError
        If nobody reads it any more, so that the rest need not be classified.
    """
    refused = 0
    for one in told:
        if row := _row(one):
            reader.say("  ".join(row) + "\n")
        refused += bool(one.reason)
    return refused


def _write(told: Iterable[Classified], place: Path, top: int, *, replace: bool) -> int:
    """Write what is found as a table, and return how many files are refused.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    refused = 0
    try:
        with ExitStack() as stack:
            path = stack.enter_context(whole(place, replace=replace))
            file = stack.enter_context(path.open("w", newline="", encoding="utf-8"))
            writer = csv.writer(file)
            writer.writerow(_head(top))
            for one in told:
                if row := _row(one):
                    writer.writerow(row)
                refused += bool(one.reason)
    except OSError as error:
        raise StoreError(
            f"--csv {place}: cannot be written ({error.strerror or error}); name a file in a "
            f"folder that may be written"
        ) from None
    return refused


def _row(one: Classified) -> list[str]:
    """Return the row of one input; nothing for one that is refused, which is told here."""
    if one.reason:
        _refuse(one.name, one.reason)
        return []
    return [shown(one.name), *_flat(one)]


def _flat(one: Classified) -> Iterator[str]:
    for name, score in one.best:
        yield shown(name)
        yield f"{score:.4f}"


def _head(top: int) -> list[str]:
    more = [f"{what}_{place}" for place in range(2, top + 1) for what in ("label", "score")]
    return [*_HEAD, *more]


def _require_ours(path: Path) -> None:
    """Refuse to replace a file that does not begin as those do that this command writes."""
    start = ",".join(_HEAD).encode()
    if path.is_file() and path.stat().st_size:
        with path.open("rb") as file:
            found = file.read(len(start))
        if found != start:
            raise StoreError(
                f"--csv: expected a new file, or a table that this command wrote, got {path}, "
                f"which is neither and is left alone; name another"
            )


def _require_other(path: Path | None, files: Sequence[Path]) -> None:
    """Refuse to write over a file that is to be classified."""
    if path is not None and any(path.resolve() == file.resolve() for file in files):
        raise StoreError(
            f"--csv: expected another file than those to classify, got {path}, which is one of "
            f"them; name another"
        )


def _refuse(name: str, reason: str) -> None:
    # A table is written to its end though nobody reads of what it lacks.
    with suppress(BrokenPipeError):
        sys.stderr.write(f"{shown(name)}: {reason}\n")


def _shown_progress(found: Iterable[Classified], total: int) -> Iterator[Classified]:
    with LongWork("classifying", total, Console(stderr=True)) as work:
        for one in found:
            yield one
            if one.is_last:
                work.advance()


def _parser() -> argparse.ArgumentParser:
    parser = CommandLine(prog="python -m client_app.predict", description=__doc__)
    parser.add_argument(
        "model_folder", type=Path, metavar="MODEL", help="folder that client_app.export wrote"
    )
    parser.add_argument(
        "files",
        type=Path,
        nargs="+",
        metavar="FILES",
        help="images, NumPy files of sensor windows, or folders of them; or files of texts, one in "
        "each line",
    )
    parser.add_argument(
        "--vocabulary-file",
        default="",
        metavar="FILE",
        help="the file of words that a model of texts was trained with, if it was with one",
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write there instead of printing")
    parser.add_argument("--replace", action="store_true", help="replace a FILE that is there")
    parser.add_argument(
        "--top", type=_positive, default=1, metavar="K", help="classes to tell of each (1)"
    )
    parser.add_argument(
        "--model",
        default="",
        metavar="FILE.py:NAME",
        help="what builds a model of your own, whose code is then run",
    )
    return parser


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, got {text!r}")
    return number


if __name__ == "__main__":
    sys.exit(main())
