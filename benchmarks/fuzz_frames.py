"""Random and mutated frames: the parser may take them in or refuse them, and nothing else.

Half of the cases are frames of the data plane, damaged: bits, bytes, spans, lengths, fields
and whole tensors. The others are random bytes. Anything but a frame that fits its
specification, or a short ``WireError``, is a failure.

Run with ``python -m benchmarks.fuzz_frames [--count 200000] [--seed 0]``; ``--only NUMBER``
repeats one case.
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable
from typing import final

import numpy as np
import torch
from rich.console import Console

from strategies.common.errors import WireError
from strategies.common.split.wire import framing, split_pb2, survey_parts
from strategies.common.split.wire.frames import (
    Activations,
    CodecName,
    FrameSpec,
    Gradients,
    Skipped,
    Survey,
    TensorSpec,
)
from strategies.common.split.wire.framing import Framer

MAX_MESSAGE = 600
MAX_SHOWN = 5
_SHAPE = (2, 3, 3)
_BOUND = 100.0
_CLASSES = 5
_WHERE = "node 0"


@final
class Subject:
    """Frames of one codec in both directions, and the road that reads them."""

    def __init__(self, codec: CodecName, gradient_codec: CodecName) -> None:
        tensors = (
            TensorSpec("query", "activations", _SHAPE, _BOUND),
            TensorSpec("labels", "labels", (), _CLASSES),
        )
        self._spec = FrameSpec((0, 1), 2, tensors, True, codec, gradient_codec, 10)
        self._framer = Framer(self._spec, _WHERE)
        query = torch.linspace(-3, 3, 72).reshape(2, 2, *_SHAPE)
        labels = torch.tensor([[0, 1], [2, 4]])
        survey = Survey(1, "bank", query[0], labels[0])
        hello = split_pb2.Up(hello=split_pb2.Hello(version=1, digest=b"d" * 32))
        self.up = (
            self._framer.write_activations(Activations(7, (query, labels))),
            survey_parts.write(survey, 1, _WHERE),
            hello.SerializeToString(),
        )
        self.down = (
            self._framer.write_answer(Gradients(7, query)),
            self._framer.write_answer(Skipped(7, 9)),
        )

    def read_up(self, raw: bytes) -> str:
        """Read what a node sent and return what it was."""
        up, numbers = framing.parse_up(raw, _WHERE)
        kind = up.WhichOneof("kind")
        if kind == "activations":
            frame = self._framer.read_activations(up.activations, numbers)
            self._check(frame.tensors[0], frame.tensors[1])
        elif kind == "survey":
            part = survey_parts.read(up.survey, numbers, self._spec, _WHERE)
            self._check(part.activations, part.labels)
        return kind or "nothing"

    def read_down(self, raw: bytes) -> str:
        """Read what the server sent and return what it was."""
        down, numbers = framing.parse_down(raw, _WHERE)
        kind = down.WhichOneof("kind")
        if kind == "gradients":
            gradient = self._framer.read_gradients(down.gradients, numbers).gradient
            if gradient is None or not bool(gradient.isfinite().all()):
                raise AssertionError("a gradient that is not finite was taken in")
        return kind or "nothing"

    def _check(self, activations: torch.Tensor, labels: torch.Tensor) -> None:
        # A lossy codec may round the largest number past the bound.
        if not float(activations.abs().max()) <= _BOUND * (1 + 2**-10):
            raise AssertionError("activations beyond the bound were taken in")
        if not 0 <= int(labels.min()) <= int(labels.max()) < _CLASSES:
            raise AssertionError("labels out of range were taken in")


def mutant(subjects: list[Subject], seed: int, number: int) -> tuple[Subject, bytes, bool]:
    """Return a case: who reads it, its bytes, and whether they go up."""
    rng = np.random.default_rng([seed, number])
    subject = subjects[rng.integers(len(subjects))]
    up = bool(rng.integers(2))
    if rng.integers(2):
        return subject, rng.bytes(int(rng.integers(200))), up
    frames = subject.up if up else subject.down
    raw = bytearray(frames[rng.integers(len(frames))])
    for _ in range(rng.integers(1, 4)):
        _CHANGES[rng.integers(len(_CHANGES))](raw, rng)
    return subject, bytes(raw), up


def outcome(subject: Subject, raw: bytes, *, up: bool) -> tuple[str, str]:
    """Return what became of a case, and what is wrong with that."""
    try:
        return f"taken in as {(subject.read_up if up else subject.read_down)(raw)}", ""
    except WireError as error:
        long = "" if len(str(error)) <= MAX_MESSAGE else f"a message of {len(str(error))} letters"
        return "refused", long
    except Exception as error:
        return type(error).__name__, f"{type(error).__name__}: {error}"


def _flip(raw: bytearray, rng: np.random.Generator) -> None:
    if raw:
        raw[rng.integers(len(raw))] ^= 1 << int(rng.integers(8))


def _flip_early(raw: bytearray, rng: np.random.Generator) -> None:
    """Change a bit of what describes the numbers."""
    if raw:
        raw[rng.integers(min(len(raw), 60))] ^= 1 << int(rng.integers(8))


def _overwrite(raw: bytearray, rng: np.random.Generator) -> None:
    place = int(rng.integers(len(raw) + 1))
    new = rng.bytes(int(rng.integers(1, 9)))
    raw[place : place + len(new)] = new


def _cut(raw: bytearray, rng: np.random.Generator) -> None:
    del raw[int(rng.integers(len(raw) + 1)) :]


def _insert(raw: bytearray, rng: np.random.Generator) -> None:
    place = int(rng.integers(len(raw) + 1))
    raw[place:place] = rng.bytes(int(rng.integers(1, 20)))


def _copy(raw: bytearray, rng: np.random.Generator) -> None:
    source, place = (int(rng.integers(len(raw) + 1)) for _ in range(2))
    raw[place:place] = raw[source : source + int(rng.integers(1, 100))]


def _special_number(raw: bytearray, rng: np.random.Generator) -> None:
    """Put a number of note somewhere in the second half, where the numbers are."""
    special = (b"\0\0\xc0\x7f", b"\0\0\x80\x7f", b"\xff\xff\xff\xff", b"\0\x7c", b"\x01\0\0\0")
    place = int(rng.integers(len(raw) // 2, len(raw) + 1))
    new = special[rng.integers(len(special))]
    raw[place : place + len(new)] = new


def _field(raw: bytearray, rng: np.random.Generator) -> None:
    """Change a field of the message and write it anew, so that the outer form holds."""
    up = split_pb2.Up()
    try:
        up.ParseFromString(bytes(raw))
    except Exception:
        return
    block = up.survey.activations if up.HasField("survey") else None
    if up.HasField("activations") and up.activations.tensors:
        block = up.activations.tensors[0]
    if block is None:
        return
    value = int(rng.integers(0, 2**32))
    match int(rng.integers(5)):
        case 0:
            block.codec = value % 6  # type: ignore[assignment]  # unknown codecs too
        case 1:
            block.shape.append(value)
        case 2:
            block.scales.append(float(rng.standard_normal()))
        case 3:
            up.numbers = up.numbers[: value % (len(up.numbers) + 1)]
        case _:
            up.survey.client, up.survey.split = value % 3, value % 5
    raw[:] = up.SerializeToString()


Change = Callable[[bytearray, np.random.Generator], None]
_CHANGES: tuple[Change, ...] = (
    _flip,
    _flip_early,
    _overwrite,
    _cut,
    _insert,
    _copy,
    _special_number,
    _field,
)


def main() -> int:
    """Run the cases, print what became of them and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="repeat the case of this number")
    options = parser.parse_args()
    console = Console()
    subjects = [
        Subject("float32", "float32"),
        Subject("float16", "float16"),
        Subject("uint8", "float16"),
    ]
    numbers = range(options.count) if options.only is None else [options.only]
    counts: Counter[str] = Counter()
    failures: list[str] = []
    begin = time.perf_counter()
    for number in numbers:
        subject, raw, up = mutant(subjects, options.seed, number)
        result, wrong = outcome(subject, raw, up=up)
        counts[result] += 1
        if wrong:
            failures.append(f"case {number}: {wrong}")
    for result, count in counts.most_common():
        console.print(f"{count:>8} {result}")
    for failure in failures[:MAX_SHOWN]:
        console.print(failure, markup=False, soft_wrap=True)
    seconds = time.perf_counter() - begin
    console.print(f"{len(failures)} failures in {len(numbers)} cases, {seconds:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
