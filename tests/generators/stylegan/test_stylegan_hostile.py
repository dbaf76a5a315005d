"""Hostile pickles: what Python's unpickler would do does not happen here."""

import codecs
import contextlib
import copyreg
import functools
import io
import os
import pickle
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generators.stylegan.records import Record
from generators.stylegan.restoration import Unknown
from generators.stylegan.unpickling import read_bytes
from strategies.common.errors import GeneratorError
from tests.generators.stylegan.payloads import (
    CODEC,
    DILLED,
    DOTTED,
    EXTENSION_CODE,
    PAYLOADS,
    Payload,
    call,
    touch,
)
from tests.generators.stylegan.published import Published, Raw, dump, publish

PROTOCOLS = (2, 3, 4, 5)
DOOR = """
class Door:
    @property
    def path(self):
        return None
    @path.setter
    def path(self, path):
        open(path, "w").close()

DOOR = Door()

class Stateful:
    def __new__(cls, path=None):
        if path is not None:
            open(path, "w").close()
        return super().__new__(cls)
    def __setstate__(self, path):
        open(path, "w").close()
    def __setitem__(self, key, path):
        open(path, "w").close()
    def append(self, path):
        open(path, "w").close()
    def extend(self, paths):
        open(paths[0], "w").close()
"""


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield a path, and prepare the modules, the codec and the extension that would create it."""
    path = tmp_path / "fired"
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "hostile_module.py").write_text(f"open({str(path)!r}, 'w').close()\n")
    (folder / "hostile_door.py").write_text(DOOR)
    monkeypatch.syspath_prepend(folder)

    def encode(text: str, _errors: str = "strict") -> tuple[bytes, int]:
        Path(text).touch()
        return b"", len(text)

    def search(name: str) -> codecs.CodecInfo | None:
        return codecs.CodecInfo(encode, codecs.latin_1_decode) if name == CODEC else None

    codecs.register(search)
    copyreg.add_extension("os", "system", EXTENSION_CODE)
    yield path
    copyreg.remove_extension("os", "system", EXTENSION_CODE)
    codecs.unregister(search)
    forget()


def forget() -> None:
    for name in ("hostile_module", "hostile_door"):
        sys.modules.pop(name, None)


def fires(content: bytes, path: Path) -> bool:
    """Unpickle with Python's own unpickler, tell whether the trap went off, and set it again."""
    with contextlib.suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # files that it leaves open
        pickle.loads(content)
    forget()
    fired = path.exists()
    path.unlink(missing_ok=True)
    return fired


def outcome(content: bytes, path: Path) -> Record | None:
    """Read; return ``None`` for a refusal, and fail if anything happened."""
    before = (Path.cwd(), dict(os.environ), set(sys.modules))
    found = None
    with contextlib.suppress(GeneratorError):
        found = read_bytes(content, "hostile.pkl")
    assert not path.exists()
    assert (Path.cwd(), dict(os.environ), set(sys.modules)) == before
    return found


def network(**parts: dict[str, object]) -> Published:
    return Published("Generator", **parts)


# Refused wherever they stand: no pickle of weights has these opcodes.
REFUSED = {"a state of a global", "opcode EXT1", "opcode EXT4"}
# Loaded inert beside a network, refused within: functions whose arguments are checked.
REFUSED_INSIDE = {"torch.storage", "a codec"}


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_payload_fires_in_python_and_not_here(name: str, trap: Path) -> None:
    for protocol in PROTOCOLS:
        check(PAYLOADS[name], name, trap, protocol)


@pytest.mark.parametrize("name", DOTTED)
def test_names_with_dots_are_not_followed(name: str, trap: Path) -> None:
    for protocol in (4, 5):
        check(DOTTED[name], name, trap, protocol)


@pytest.mark.parametrize("name", DILLED)
def test_dills_functions_are_not_called(name: str, trap: Path) -> None:
    for protocol in PROTOCOLS:
        harmless(DILLED[name], name, trap, protocol)


@pytest.mark.parametrize("name", DILLED)
def test_dills_functions_would_have_fired(name: str, trap: Path) -> None:
    pytest.importorskip("dill")
    for protocol in PROTOCOLS:
        assert fires(dump(DILLED[name](trap), protocol=protocol), trap)


def check(payload: Payload, name: str, trap: Path, protocol: int) -> None:
    assert fires(dump(payload(trap), protocol=protocol), trap)
    harmless(payload, name, trap, protocol)


def harmless(payload: Payload, name: str, trap: Path, protocol: int) -> None:
    # Old protocols and new ones, each with one that was dilled and one that was not.
    dilled = protocol in (3, 5)
    write = functools.partial(publish, protocol=protocol, dilled=dilled)
    beside = outcome(write(network(), extra={"harm": payload(trap)}), trap)
    assert (beside is None) == (name in REFUSED)
    inside = outcome(write(network(attributes={"harm": payload(trap)})), trap)
    assert (inside is None) == (name in REFUSED | REFUSED_INSIDE)
    if inside is not None:
        assert isinstance(inside.attribute("harm"), Unknown)
    # Where a tensor, a module or a network must stand, nothing else may.
    assert outcome(write(network(parameters={"weight": payload(trap)})), trap) is None
    assert outcome(write(network(modules={"mapping": payload(trap)})), trap) is None
    assert outcome(write(network(attributes={"_modules": payload(trap)})), trap) is None
    assert outcome(write(payload(trap)), trap) is None
    assert outcome(dump(payload(trap), protocol=protocol, dilled=dilled), trap) is None


def test_there_are_many_payloads() -> None:
    assert len(PAYLOADS) + len(DOTTED) + len(DILLED) >= 40


def test_a_cached_extension_code_is_not_used_either(trap: Path) -> None:
    # Python's unpickler hands out what is cached without asking find_class.
    class Restricted(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> object:
            raise pickle.UnpicklingError(f"{module}.{name}")

    content = dump(PAYLOADS["opcode EXT1"](trap), protocol=2)
    assert fires(content, trap)  # fills the cache
    Restricted(io.BytesIO(content)).load()
    assert trap.exists()
    trap.unlink()
    assert (
        outcome(publish(network(attributes={"harm": PAYLOADS["opcode EXT1"](trap)})), trap) is None
    )


def test_persistent_ids_are_refused(trap: Path) -> None:
    for opcodes in (b"Pname\n", b"U\x04nameQ"):
        assert outcome(publish(network(), extra={"harm": Raw(opcodes)}), trap) is None


def test_the_tensor_functions_take_nothing_but_data(trap: Path) -> None:
    harm = call("os.system", touch(trap))
    names = (
        "torch._utils._rebuild_tensor_v2",
        "torch._utils._rebuild_parameter",
        "torch.storage._load_from_bytes",
        "numpy.core.multiarray.scalar",
        "numpy.core.multiarray._reconstruct",
        "numpy.core.numeric._frombuffer",
        "numpy.dtype",
        "dill._dill._create_array",
        "_codecs.encode",
    )
    for name in names:
        for arguments in ((), (harm,), (harm,) * 4, (harm,) * 7):
            for state in (None, harm, (harm,) * 5):
                tree = network(attributes={"harm": call(name, *arguments, state=state)})
                assert outcome(publish(tree), trap) is None


@pytest.mark.parametrize("kind", ["O", "O8", "S4", "V4", "M8[s]", "f1", "f16", "(2,)f4", "f4,f4"])
def test_arrays_of_anything_but_numbers_are_refused(kind: str, trap: Path) -> None:
    layout = call("numpy.dtype", kind, False, True)
    for tree in (
        call("numpy.core.multiarray.scalar", layout, bytes(8)),
        call("numpy.core.multiarray._reconstruct", state=(1, (1,), layout, False, bytes(8))),
        call("numpy.core.multiarray._reconstruct", state=(1, (1,), layout, False, [None])),
    ):
        assert outcome(publish(network(attributes={"harm": tree})), trap) is None


def small() -> bytes:
    mapping = Published("MappingNetwork", {"z_dim": 2}, {"weight": torch.ones(2, 3)})
    return publish(Published("Generator", modules={"mapping": mapping}), protocol=4)


SMALL = small()
OTHER = publish(Published("Generator", {"x": Raw(b"cos\nsystem\n")}), protocol=2, dilled=True)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_mutated_file_is_read_or_refused(data: st.DataObject) -> None:
    content = bytearray(SMALL)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        end = min(len(content), start + data.draw(st.integers(0, 40)))
        cut = data.draw(st.integers(0, len(OTHER)))
        inserted = data.draw(
            st.one_of(st.binary(max_size=12), st.just(OTHER[cut : cut + end - start]))
        )
        content[start:end] = inserted
    with contextlib.suppress(GeneratorError):
        assert isinstance(read_bytes(bytes(content), "mutated.pkl"), Record)
