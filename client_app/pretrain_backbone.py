"""Pretrain the backbone ``digitgrid``: ``python -m client_app.pretrain_backbone``.

A tiny ViLT learns words on pictures of handwritten digits and is then written to the cache
of this device, where ``digitgrid`` is looked for. Needs the extras simulation and feddat, and
some minutes of one core; the same seed and number of threads give the same weights.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from rich.console import Console

from client_app.backbones import loading, pretrained
from client_app.backbones.pretraining import learning, measuring, publishing, recipe
from client_app.backbones.pretraining.recipe import Recipe
from client_app.data.digitgrid import handwriting
from strategies.common.errors import NectarError, SettingsError, StoreError
from strategies.common.long_work import LongWork
from strategies.common.run_config import default_config
from strategies.common.typed_once import CommandLine

_PICTURES = 4000
_SMOOTHING = 0.98


def main(arguments: Sequence[str] | None = None) -> int:
    """Pretrain, tell and return the exit status: 0, or 1 if no model could be made.

    Parameters
    ----------
    arguments : Sequence[str] | None
        The command line; ``None`` takes the process's own.
    """
    asked = _parser().parse_args(arguments)
    console = Console(emoji=False)
    try:
        sha256, accuracy = pretrain(_recipe(asked), asked.out, asked.replace, console)
    except NectarError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    console.print(
        f"On handwriting that it has not seen: masked words {accuracy.captions:.1%}, "
        f"answers {accuracy.answers:.1%} right"
    )
    console.print(f"{asked.out}: sha256 {sha256}", soft_wrap=True)
    return 0


def pretrain(
    course: Recipe, out: Path, replace: bool, console: Console
) -> tuple[str, measuring.Accuracy]:
    """Pretrain a model and write it to a folder.

    Parameters
    ----------
    course : Recipe
        Steps, sizes and seed.
    out : Path
        Folder to write.
    replace : bool
        Whether a folder that stands there already may be replaced.
    console : Console
        Where progress is shown.

    Returns
    -------
    tuple[str, Accuracy]
        The backbone's digest, and what it learned.

    Raises
    ------
    SettingsError
        If the folder is there and may not be replaced.
    ModelError, DataError
        If a library is not installed.
    StoreError
        If the folder cannot be written.
    """
    _check_place(out, replace)
    pretrained.require_transformers()
    sheet = handwriting.load()
    tokenizer = recipe.new_tokenizer()
    model = recipe.new_model(course, len(tokenizer))
    start = time.monotonic()
    with _progress(console, course.steps) as tell:
        learning.learn(model, tokenizer, sheet, course, tell)
    accuracy = measuring.measure(model, tokenizer, sheet, course, _PICTURES)
    card = {
        "name": loading.DIGITGRID,
        "data": "scikit-learn's load_digits, 900 of its digits, painted as 2x2 grids",
        "recipe": asdict(course),
        "accuracy on held-out handwriting": accuracy.as_json(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "seconds": round(time.monotonic() - start),
    }
    publishing.publish(model, tokenizer, card, out)
    backbone = loading.load(f"folder:{out}", torch.device("cpu"), out.parent)
    return backbone.sha256, accuracy


def _check_place(out: Path, replace: bool) -> None:
    """Refuse, before minutes are spent, a place that cannot be written afterwards."""
    if out.exists() and not out.is_dir():
        raise SettingsError(f"--out {out}: expected a folder, found a file; name another one")
    if out.exists() and not replace:
        raise SettingsError(
            f"{out}: expected no folder yet, found one; use it, name another one with --out, or "
            f"give --replace"
        )
    if out.exists() and any(out.iterdir()) and not publishing.is_published(out):
        raise SettingsError(
            f"--out {out}: expected a model that was made here to replace, found something else, "
            f"which is left alone; name another one"
        )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent):
            pass
    except OSError as error:
        raise StoreError(
            f"--out {out}: cannot be written ({error.strerror}); name another folder"
        ) from None


@contextmanager
def _progress(console: Console, steps: int) -> Iterator[Callable[[int, float], None]]:
    with LongWork("pretraining", steps, console) as work:
        smooth = float("nan")

        def tell(step: int, loss: float) -> None:
            nonlocal smooth
            smooth = loss if step == 1 else _SMOOTHING * smooth + (1 - _SMOOTHING) * loss
            work.advance(told=f"loss {smooth:.3f}")

        yield tell


def _recipe(asked: argparse.Namespace) -> Recipe:
    return Recipe(
        seed=asked.seed,
        steps=asked.steps,
        batch_size=asked.batch_size,
    )


def _parser() -> argparse.ArgumentParser:
    parser = CommandLine(prog="python -m client_app.pretrain_backbone", description=__doc__)
    usual, defaults = Recipe(), default_config()
    cache = loading.cache_folder(Path(str(defaults["state-dir"])))
    parser.add_argument(
        "--out",
        type=Path,
        default=cache / loading.DIGITGRID,
        help="folder to write (default: %(default)s)",
    )
    parser.add_argument("--replace", action="store_true", help="replace a folder that is there")
    for key, least, default, text in (
        ("steps", 1, usual.steps, "optimiser steps"),
        ("batch-size", 1, usual.batch_size, "pictures per step"),
        ("seed", 0, usual.seed, "root of every draw"),
    ):
        shown = f"{text} (default: %(default)s)"
        parser.add_argument(
            f"--{key}", type=_at_least(least), default=default, metavar="N", help=shown
        )
    return parser


def _at_least(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(
                f"expected a whole number from {least} on, got {text!r}"
            )
        return number

    return parse


if __name__ == "__main__":
    sys.exit(main())
