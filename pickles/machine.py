"""The stack machine of a pickle, with its limits: what opcodes work on."""

from collections.abc import Collection
from typing import final

from pickles.symbols import Call, MalformedPickleError, Name

MAX_LINE_BYTES = 1 << 12


@final
class Machine:
    """The stack machine of one pickle.

    Parameters
    ----------
    content : memoryview
        Bytes.
    start : int
        Where the pickle begins.
    names : Collection[str] | None
        Globals that the pickle may name; any where ``None``.
    persistent : bool
        Whether persistent ids are allowed.

    Attributes
    ----------
    position : int
        The next byte.
    opcode_at : int
        Where the current opcode stands, for messages.
    stack : list[object]
        What was built so far and not yet put into anything.
    marks : list[int]
        Heights of the stack at which something begins; nothing below is taken.
    memo : dict[int, object]
        What may be asked for again by a number.
    """

    def __init__(
        self,
        content: memoryview,
        start: int,
        *,
        names: Collection[str] | None,
        persistent: bool,
    ) -> None:
        self.position = start
        self.opcode_at = start
        self.stack: list[object] = []
        self.marks: list[int] = []
        self.memo: dict[int, object] = {}
        self.persistent = persistent
        self._content = content
        self._names = names

    def next_opcode(self) -> int:
        """Step over one byte."""
        self.opcode_at = self.position
        if self.position >= len(self._content):
            raise self.error("the file ends here, too early")
        self.position += 1
        return self._content[self.position - 1]

    def error(self, problem: str) -> MalformedPickleError:
        """Tell where the problem is."""
        return MalformedPickleError(f"byte {self.opcode_at}: {problem}")

    def take(self, count: int) -> memoryview:
        """Step over bytes of the stream."""
        end = self.position + count
        if end > len(self._content):
            raise self.error(f"the file ends {end - len(self._content)} bytes too early")
        taken = self._content[self.position : end]
        self.position = end
        return taken

    def take_counted(self, width: int, limit: int | None = None) -> memoryview:
        """Step over bytes that follow their own number."""
        count = int.from_bytes(self.take(width), "little")
        if limit is not None and count > limit:
            raise self.error(f"{count} bytes where at most {limit} are allowed")
        return self.take(count)

    def line(self) -> bytes:
        """Step over text and the end of its line."""
        begin = bytes(self._content[self.position : self.position + MAX_LINE_BYTES])
        length = begin.find(b"\n")
        if length < 0:
            raise self.error(f"no end of a line within {MAX_LINE_BYTES} bytes")
        self.position += length + 1
        return begin[:length]

    def name(self, module: str, name: str) -> Name:
        """Refuse a global that the pickle may not name."""
        found = Name(module, name)
        if self._names is not None and str(found) not in self._names:
            raise self.error(f"asks for {str(found)!r:.100}, which is forbidden")
        return found

    def push(self, value: object) -> None:
        """Lay an object on the stack."""
        self.stack.append(value)

    def pop(self) -> object:
        """Take the object on the top, down to the last mark."""
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise self.error("nothing is left on the stack")
        return self.stack.pop()

    def top(self) -> object:
        """Look at the object on the top."""
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise self.error("nothing is left on the stack")
        return self.stack[-1]

    def mark(self) -> None:
        """Remember the height of the stack."""
        self.marks.append(len(self.stack))

    def pop_to_mark(self) -> list[object]:
        """Take all objects above the last mark, and the mark."""
        if not self.marks:
            raise self.error("no mark is left on the stack")
        mark = self.marks.pop()
        taken = self.stack[mark:]
        del self.stack[mark:]
        return taken

    def pop_tuple(self) -> tuple[object, ...]:
        """Take a tuple of arguments."""
        found = self.pop()
        if not isinstance(found, tuple):
            raise self.error(f"expected a tuple of arguments, got {type(found).__name__}")
        return found

    def pop_callee(self) -> Name | Call:
        """Take what would be called."""
        return self.as_callee(self.pop())

    def as_callee(self, found: object) -> Name | Call:
        """Refuse what Python could not call."""
        if not isinstance(found, Name | Call):
            raise self.error(f"expected something to call, got {type(found).__name__}")
        return found
