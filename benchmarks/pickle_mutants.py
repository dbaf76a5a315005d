"""Damaged copies of network pickles: bytes, spans, truncation, splices and opcodes.

Changes of opcodes keep a file readable for longer than changes of bytes do: a number takes
the place of a number, a name that of a name.
"""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

NAMES = (
    b"os\nsystem\n",
    b"posix\nsystem\n",
    b"builtins\neval\n",
    b"builtins\nexec\n",
    b"subprocess\nPopen\n",
    b"torch\nload\n",
    b"torch._utils\n_rebuild_tensor_v2\n",
    b"torch.storage\n_load_from_bytes\n",
    b"numpy.core.multiarray\n_reconstruct\n",
    b"numpy._core.multiarray\nscalar\n",
    b"numpy._core.numeric\n_frombuffer\n",
    b"numpy\ndtype\n",
    b"dill._dill\n_create_array\n",
    b"dill._dill\n_load_type\n",
    b"_codecs\nencode\n",
    b"collections\nOrderedDict\n",
    b"torch_utils.persistence\n_reconstruct_persistent_obj\n",
    b"torch.nn.modules.sparse\nEmbedding\n",
)
NUMBERS = (0, 1, -1, 2, 3, 7, 255, 65_536, 2**31 - 1, -(2**31), 1000, 64)


@final
@dataclass(frozen=True)
class Fixture:
    """A file and where its opcodes begin, the end included."""

    name: str
    content: bytes
    starts: list[int]


def fixture(path: Path) -> Fixture:
    """Read a file and find its opcodes."""
    content = path.read_bytes()
    starts = [place for _, _, place in pickletools.genops(content) if place is not None]
    return Fixture(path.stem, content, [*starts, len(content)])


def mutant(fixtures: list[Fixture], seed: int, number: int) -> tuple[bytes, str]:
    """Return the damaged content of one case, and what was done to it."""
    rng = np.random.default_rng([seed, number])
    whole = fixtures[rng.integers(len(fixtures))]
    kinds = [*_BYTES, *_OPCODES]
    kind = kinds[rng.integers(len(kinds))]
    if kind in _BYTES:
        content = bytearray(whole.content)
        for _ in range(rng.integers(1, 5)):
            _BYTES[kind](content, whole, rng)
    else:
        # From the back, so that the places before stay where they are.
        content = bytearray(whole.content)
        change, codes = _OPCODES[kind]
        fitting = [
            place
            for place, start in enumerate(whole.starts[:-1])
            if not codes or whole.content[start] in codes
        ]
        places = {fitting[rng.integers(len(fitting))] for _ in range(rng.integers(1, 5))}
        for place in sorted(places, reverse=True):
            begin, end = whole.starts[place], whole.starts[place + 1]
            content[begin:end] = change(whole.content[begin:end], rng)
    if kind == "splice":
        other = fixtures[rng.integers(len(fixtures))]
        content[_place(whole, rng) :] = other.content[_place(other, rng) :]
    return bytes(content), f"{whole.name}, {kind}"


def _place(whole: Fixture, rng: np.random.Generator) -> int:
    """Choose a byte: every second time of an opcode, since most bytes are weights."""
    if rng.integers(2):
        return int(rng.integers(len(whole.content)))
    start = whole.starts[rng.integers(len(whole.starts) - 1)]
    return min(start + int(rng.integers(12)), len(whole.content) - 1)


def _flip(content: bytearray, whole: Fixture, rng: np.random.Generator) -> None:
    place = _place(whole, rng)
    if place < len(content):
        content[place] ^= 1 << int(rng.integers(8))


def _overwrite(content: bytearray, whole: Fixture, rng: np.random.Generator) -> None:
    place = _place(whole, rng)
    content[place : place + 8] = rng.bytes(int(rng.integers(1, 9)))


def _delete(content: bytearray, whole: Fixture, rng: np.random.Generator) -> None:
    place = _place(whole, rng)
    del content[place : place + int(rng.integers(1, 40))]


def _insert(content: bytearray, whole: Fixture, rng: np.random.Generator) -> None:
    place = _place(whole, rng)
    content[place:place] = rng.bytes(int(rng.integers(1, 12)))


def _copy(content: bytearray, whole: Fixture, rng: np.random.Generator) -> None:
    source, place = _place(whole, rng), _place(whole, rng)
    length = int(rng.integers(1, 200))
    content[place : place + int(rng.integers(length))] = content[source : source + length]


def _cut(content: bytearray, whole: Fixture, rng: np.random.Generator) -> None:
    del content[_place(whole, rng) :]


def _nothing(_content: bytearray, _whole: Fixture, _rng: np.random.Generator) -> None:
    pass


def _as_global(_code: bytes, rng: np.random.Generator) -> bytes:
    return b"c" + NAMES[rng.integers(len(NAMES))]


def _as_name(_code: bytes, rng: np.random.Generator) -> bytes:
    text = NAMES[rng.integers(len(NAMES))].split(b"\n")[rng.integers(2)]
    return b"\x8c" + bytes([len(text)]) + text


def _as_call(_code: bytes, rng: np.random.Generator) -> bytes:
    return _as_global(_code, rng) + b"U\x04true\x85R"


def _as_number(_code: bytes, rng: np.random.Generator) -> bytes:
    if not rng.integers(8):
        return b"G" + rng.bytes(8)
    return b"J" + NUMBERS[rng.integers(len(NUMBERS))].to_bytes(4, "little", signed=True)


def _as_constant(_code: bytes, rng: np.random.Generator) -> bytes:
    return (b"N", b"\x88", b"\x89", b"}", b"]", b")", b"\x8f", b"K\x01")[rng.integers(8)]


def _as_reference(_code: bytes, rng: np.random.Generator) -> bytes:
    return b"j" + int(rng.integers(1500)).to_bytes(4, "little")


def _recoded(code: bytes, rng: np.random.Generator) -> bytes:
    return rng.bytes(1) + code[1:]


def _left_out(_code: bytes, _rng: np.random.Generator) -> bytes:
    return b""


def _doubled(code: bytes, _rng: np.random.Generator) -> bytes:
    return code + code


_BYTES: dict[str, Callable[[bytearray, Fixture, np.random.Generator], None]] = {
    "flips": _flip,
    "other bytes": _overwrite,
    "deletions": _delete,
    "insertions": _insert,
    "copies": _copy,
    "truncation": _cut,
    "splice": _nothing,
}
_Change = Callable[[bytes, np.random.Generator], bytes]
# The change, and which opcodes it fits: numbers stand in for numbers, and so on.
_OPCODES: dict[str, tuple[_Change, bytes]] = {
    "globals": (_as_global, b"c\x93"),
    "names": (_as_name, b"\x8cX"),
    "calls": (_as_call, b"BCGJKMN"),
    "numbers": (_as_number, b"GJKM\x8a"),
    "constants": (_as_constant, b"N\x88\x89}])"),
    "references": (_as_reference, b"hj"),
    "opcodes": (_recoded, b""),
    "opcodes left out": (_left_out, b""),
    "opcodes doubled": (_doubled, b""),
}
