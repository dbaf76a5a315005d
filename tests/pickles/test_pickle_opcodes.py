"""The pickle machine: agreement with Python's unpickler on data, and its limits."""

import pickle
import re
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pickles import opcodes
from pickles.opcodes import parse
from pickles.symbols import Call, MalformedPickleError, Name, Opaque, Persistent

KEYS = st.one_of(st.text(), st.integers(-(2**31), 2**31), st.booleans(), st.none(), st.binary())
ATOMS = st.one_of(
    KEYS, st.integers(-(2**255), 2**255 - 1), st.floats(), st.binary(min_size=256, max_size=300)
)
DATA = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner),
        st.lists(inner).map(tuple),
        st.dictionaries(KEYS, inner),
        st.sets(KEYS),
        st.sets(KEYS).map(frozenset),
    ),
    max_leaves=20,
)


def parsed(stream: bytes) -> object:
    found, end = parse(memoryview(stream))
    assert end == len(stream)
    return found


def plain(value: Any) -> object:
    """Carry out the few calls of Python's own pickles of data."""
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, list | tuple):
        return type(value)(map(plain, value))
    if isinstance(value, dict):
        return {opened(key): plain(content) for key, content in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(repr(opened(element)) for element in value)
    return carried_out(value) if isinstance(value, Call) else value


def carried_out(call: Call) -> object:
    assert isinstance(call.callee, Name)
    if call.callee == Name("_codecs", "encode"):
        return str(call.arguments[0]).encode("latin-1")
    if call.callee.name == "bytes":
        return b""
    assert call.callee.name in {"set", "frozenset"}
    return plain(set(call.arguments[0]))


def opened(key: object) -> object:
    return plain(key.value) if isinstance(key, Opaque) else plain(key)


@pytest.mark.parametrize("protocol", range(6))
@settings(max_examples=40)
@given(data=DATA)
def test_data_are_what_pythons_own_unpickler_reads(protocol: int, data: object) -> None:
    stream = pickle.dumps(data, protocol)
    # Compared as text, in which a NaN equals itself and True differs from 1.
    assert repr(plain(parsed(stream))) == repr(plain(pickle.loads(stream)))


@pytest.mark.parametrize("protocol", range(2, 6))
def test_calls_are_recorded_and_not_made(protocol: int) -> None:
    call = parsed(pickle.dumps(struct.Struct("<i").__class__, protocol))
    assert call == Name("_struct", "Struct")
    stamped = parsed(pickle.dumps(re.compile("a+"), protocol))
    assert isinstance(stamped, Call)
    assert stamped.callee == Name("re", "_compile")
    assert stamped.arguments == ("a+", re.UNICODE.value)


def test_state_items_and_elements_stay_beside_a_call() -> None:
    stream = b"cm\nK\n)\x81}X\x01\x00\x00\x00aK\x01sbX\x01\x00\x00\x00bK\x02s]K\x03aa."
    call = parsed(stream)
    assert isinstance(call, Call)
    assert (call.callee, call.arguments) == (Name("m", "K"), ())
    assert (call.state, call.items, call.elements) == ({"a": 1}, [("b", 2)], [[3]])


@pytest.mark.parametrize("stream", [b"(im\nK\n.", b"(cm\nK\no.", b"cm\nK\n)R."])
def test_every_way_to_make_an_object_is_the_same_record(stream: bytes) -> None:
    call = parsed(stream)
    assert isinstance(call, Call)
    assert (call.callee, call.arguments) == (Name("m", "K"), ())


def test_keyword_arguments_come_last() -> None:
    call = parsed(b"cm\nK\n)}U\x01aK\x01s\x92.")
    assert isinstance(call, Call)
    assert (call.callee, call.arguments) == (Name("m", "K"), ({"a": 1},))


def test_a_long_byte_string_is_a_view_of_the_file() -> None:
    stream = memoryview(pickle.dumps(b"x" * 1000))
    found, _ = parse(stream)
    assert isinstance(found, memoryview)
    assert found.obj is stream.obj


def test_persistent_ids_are_kept_where_they_are_allowed() -> None:
    found, _ = parse(memoryview(b"K\x07Q."), persistent=True)
    assert isinstance(found, Persistent)
    assert found.key == 7


REFUSED = {
    "nothing": (b"", "ends here"),
    "no opcode": (b"\xff.", "0xff is not allowed"),
    "an unset number": (b"h\x05.", "nothing was remembered as number 5"),
    "an empty stack": (b".", "nothing is left"),
    "below a mark": (b"K\x01(0).", None),
    "an unreachable object": (b"K\x01(.", "nothing is left"),
    "no mark": (b"K\x01t.", "no mark"),
    "a key without a value": (b"}(K\x01u.", "a key without a value"),
    "items of a text": (b"U\x01aK\x01K\x02s.", "items for str"),
    "elements of a text": (b"U\x01aK\x01a.", "elements for str"),
    "arguments that are no tuple": (b"cm\nK\n]R.", "a tuple of arguments"),
    "a text that is called": (b"U\x01a)R.", "something to call, got str"),
    "a state of a class": (b"cm\nK\n}b.", "a state for Name"),
    "a state of a list": (b"]}b.", "a state for list"),
    "a name that is no text": (b"K\x01K\x02\x93.", "whose name is not text"),
    "a persistent id": (b"K\x01Q.", "outside of the file"),
    "a textual persistent id": (b"Pname\n.", "PERSID is not allowed"),
    "extension codes": (b"\x82\x01.", "EXT1 is not allowed"),
    "wide extension codes": (b"\x84\x01\0\0\0.", "EXT4 is not allowed"),
    "buffers outside of the file": (b"\x97.", "NEXT_BUFFER is not allowed"),
    "a newer protocol": (b"\x80\x06.", "protocol 6"),
    "a frame past the end": (b"\x80\x04\x95" + b"\xff" * 8 + b"N.", "too early"),
    "bytes past the end": (b"\x8e" + b"\xff" * 7 + b"\x7f.", "too early"),
    "text past the limit": (b"\x8d" + b"\xff" * 7 + b"\x7f.", "at most"),
    "a wide integer": (b"\x8b\xff\xff\xff\x7f.", "at most 32"),
    "a wide decimal integer": (b"L" + b"9" * 90 + b"L\n.", "90 digits"),
    "an integer without digits": (b"Iten\n.", "byte 0"),
    "a float without digits": (b"Ften\n.", "byte 0"),
    "a line without an end": (b"c" + b"m" * 10_000, "no end of a line"),
    "text that is no UTF-8": (b"\x8c\x01\xff.", "byte 0"),
    "a far memo": (b"Np99999999999\n.", "remembered as number 99999999999"),
    "a negative memo": (b"Np-1\n.", "remembered as number -1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_broken_stream_is_refused_with_a_reason(name: str) -> None:
    stream, reason = REFUSED[name]
    if reason is None:
        assert parsed(stream) == ()
        return
    with pytest.raises(MalformedPickleError, match=re.escape(reason)):
        parse(memoryview(stream))


def test_opcodes_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parsed(b"0".join([b"N"] * 50) + b".") is None
    with pytest.raises(MalformedPickleError, match="more than 99 opcodes"):
        parse(memoryview(b"0".join([b"N"] * 50) + b"."), max_operations=99)
    assert opcodes.MAX_OPERATIONS < 10_000_000


@pytest.mark.timeout(60)
def test_nested_tuples_as_a_key_are_not_hashed() -> None:
    # Python's own unpickler overflows the C stack here and takes the process along.
    deep = parsed(b"\x80\x02}" + b")" + b"\x85" * 300_000 + b"Ns.")
    assert isinstance(deep, dict)
    # Hashing this needs 2**100 steps.
    wide = parsed(b"\x80\x02}" + b")" + b"2\x86" * 100 + b"Ns.")
    assert isinstance(wide, dict)
    assert isinstance(next(iter(wide)), Opaque)


@pytest.mark.timeout(60)
def test_keys_cannot_collide() -> None:
    # All multiples of 2**61 - 1 have the hash 0: a dictionary of 100,000 of them takes minutes.
    keys = [number * (2**61 - 1) for number in range(1, 100_001)]
    stream = b"}(" + b"".join(pickle.dumps(key, 2)[2:-1] + b"N" for key in keys) + b"u."
    assert isinstance(parsed(stream), dict)


def test_a_memo_index_reserves_nothing() -> None:
    # Python's own unpickler reserves 64 GB here.
    assert parsed(b"Nr" + b"\xff" * 4 + b".") is None


NAMING = [b"cposix\nsystem\n.", b"\x8c\x05posix\x8c\x06system\x93.", b"(iposix\nsystem\n."]


@pytest.mark.parametrize("stream", NAMING)
def test_names_are_refused_where_they_are_not_listed(stream: bytes) -> None:
    for names in (None, {"posix.system"}):
        found, _ = parse(memoryview(stream), names=names)
        assert (found.callee if isinstance(found, Call) else found) == Name("posix", "system")
    for names in (frozenset[str](), {"posix", "system"}):
        with pytest.raises(MalformedPickleError, match=r"asks for 'posix\.system', which is"):
            parse(memoryview(stream), names=names)


def test_a_long_name_is_not_told_in_full() -> None:
    with pytest.raises(MalformedPickleError) as caught:
        parse(
            memoryview(
                b"\x8c\x01m\x8d" + (1 << 16).to_bytes(8, "little") + b"\n" * (1 << 16) + b"\x93."
            ),
            names=(),
        )
    assert len(str(caught.value)) < 200
    assert str(caught.value).isprintable()
