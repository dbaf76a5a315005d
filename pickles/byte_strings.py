"""Byte strings that a pickle before protocol 3 holds as calls."""

from collections.abc import Callable

from pickles.symbols import MalformedPickleError


def _encode(arguments: tuple[object, ...], _state: object) -> bytes:
    match arguments:
        case (str(text), "latin1"):
            try:
                return text.encode("latin-1")
            except UnicodeEncodeError:
                raise MalformedPickleError("text for bytes that latin1 does not have") from None
    raise MalformedPickleError("text in another encoding than latin1")


def _no_bytes(_arguments: tuple[object, ...], _state: object) -> bytes:
    # The one byte string that is not held as text.
    return b""


BYTE_STRINGS: dict[str, Callable[[tuple[object, ...], object], bytes]] = {
    "_codecs.encode": _encode,
    "__builtin__.bytes": _no_bytes,
}
