"""Mutated network pickles: the reader may refuse them, and may do nothing else.

Damaged copies of a folder's files (``pickle_mutants``) go through the whole road from bytes
to a network on the CPU. What Python's audit events tell meanwhile (imports, files,
processes, sockets, compiled code) is watched. Anything but a network or a short
``GeneratorError`` is a failure; so is an event.

Run with ``python -m benchmarks.fuzz_stylegan FOLDER [--count 20000] [--seed 0]``; ``--only
NUMBER`` repeats one case.
"""

import argparse
import resource
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import final

import torch
from rich.console import Console
from rich.progress import track

from benchmarks.pickle_mutants import Fixture, fixture, mutant
from generators.stylegan.description import describe
from generators.stylegan.network import build
from generators.stylegan.unpickling import read_bytes
from strategies.common.errors import GeneratorError

# Events of plain computing: identities and attributes of functions.
HARMLESS = {"builtins.id", "object.__getattr__"}
MAX_SHOWN = 5
MAX_MESSAGE = 1000


@final
class Watch:
    """Collects audit events; a hook can never be taken away, so it is switched."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self._on = False
        sys.addaudithook(self._hear)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Collect the events of a block."""
        self.events = []
        self._on = True
        try:
            yield
        finally:
            self._on = False

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if self._on and event not in HARMLESS:
            self.events.append(f"{event} {arguments!r:.100}")


def main() -> int:
    """Run the cases and return the exit code."""
    options = _parser().parse_args()
    console = Console()
    paths = sorted(options.folder.glob("*.pkl"))
    if not paths:
        console.print(
            f"{options.folder}: expected network pickles (*.pkl), got none", soft_wrap=True
        )
        return 2
    fixtures = [fixture(path) for path in paths]
    watch = Watch()
    problem = warm_up(fixtures, watch)
    if problem:
        console.print(f"{options.folder}: expected files that load, got {problem}", soft_wrap=True)
        return 2
    numbers = range(options.count) if options.only is None else [options.only]
    return run(fixtures, options.seed, numbers, watch, console)


def run(
    fixtures: list[Fixture], seed: int, numbers: Sequence[int], watch: Watch, console: Console
) -> int:
    """Run the cases of these numbers, print what became of them and return the exit code."""
    counts: Counter[str] = Counter()
    failures: list[str] = []
    slowest = (0.0, -1)
    for number in track(numbers, "mutants", console=console):
        content, name = mutant(fixtures, seed, number)
        begin = time.perf_counter()
        result, failure = outcome(content, name, watch)
        slowest = max(slowest, (time.perf_counter() - begin, number))
        counts[result] += 1
        if failure:
            failures.append(f"case {number} ({name}): {failure}")
    for result, count in counts.most_common():
        console.print(f"{count:>8} {result}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    console.print(f"slowest: case {slowest[1]}, {slowest[0]:.2f} s; peak memory {peak:.0f} MB")
    for failure in failures[:MAX_SHOWN]:
        console.print(failure, markup=False, soft_wrap=True)
    console.print(f"{len(failures)} failures in {len(numbers)} cases")
    return 1 if failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="with network pickles, *.pkl")
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="repeat the case of this number")
    return parser


def warm_up(fixtures: list[Fixture], watch: Watch) -> str:
    """Load and refuse something of each kind: the first one imports what it needs.

    Return why a file cannot be loaded, if so.
    """
    # torch imports when it first writes a tensor as text.
    repr(torch.ones(1))
    for whole in fixtures:
        try:
            draw(whole.content, whole.name)
        except GeneratorError as error:
            return str(error)
        for damaged in (whole.content[:-1], b"", whole.content.replace(b"weight", b"wright")):
            outcome(damaged, whole.name, watch)
    return ""


def draw(content: bytes, name: str) -> None:
    """Take the whole road from bytes to a network."""
    build(describe(read_bytes(content, name)))


def outcome(content: bytes, name: str, watch: Watch) -> tuple[str, str]:
    """Return what became of one file, and what was wrong with that, if anything."""
    result, failure = "loaded", ""
    problem: Exception | None = None
    with watch.watching():
        try:
            draw(content, name)
        except Exception as error:
            problem = error
    if watch.events:
        return "failed: side effect", ", ".join(watch.events[:MAX_SHOWN])
    told = str(problem)
    if isinstance(problem, GeneratorError):
        result = "refused"
        if len(told) > MAX_MESSAGE or not told.isprintable():
            result, failure = "failed: message", f"{len(told)} characters: {told[:MAX_MESSAGE]!r}"
    elif problem is not None:
        result = f"failed: {type(problem).__name__}"
        failure = "".join(traceback.format_exception(problem))
    return result, failure


if __name__ == "__main__":
    sys.exit(main())
