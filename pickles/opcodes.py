"""A pickle read as inert data: its opcodes build symbols, and nothing is ever called.

Python's own unpickler is not used, not even with a restricted ``find_class``: it keeps a
cache of extension codes that by-passes ``find_class``, it hashes whatever a file makes a
dictionary's key, so that 300 kB of nested tuples overflow the C stack and kill
the process, and it reserves memory for any memo index that a file names. Here a global
is a pair of texts, a call is a record of the call, and sizes are checked before use.

The opcodes are those of protocols 0 to 5 (Python's module ``pickletools``), except those
that reach outside of the stream (extension codes, out-of-band buffers, and persistent
ids unless asked for) and the escaped strings of Python 2.
"""

import pickletools
import struct
from collections.abc import Callable, Collection

from pickles.literals import LITERALS, Operation, constant, decimal
from pickles.machine import Machine
from pickles.symbols import Call, MalformedPickleError, Name, Persistent, hashable

# Published files have some 100,000 opcodes; each may cost some 200 bytes of memory.
MAX_OPERATIONS = 2_000_000
MAX_PROTOCOL = 5
MAX_MEMO_KEY = 1 << 32


def parse(
    content: memoryview,
    start: int = 0,
    *,
    names: Collection[str] | None = None,
    persistent: bool = False,
    max_operations: int = MAX_OPERATIONS,
) -> tuple[object, int]:
    """Run the opcodes of one pickle.

    Parameters
    ----------
    content : memoryview
        Bytes; long byte strings of the result are views of it.
    start : int
        Where the pickle begins.
    names : Collection[str] | None
        Globals that the pickle may name, with their modules; any where ``None``.
    persistent : bool
        Whether persistent ids are allowed.
    max_operations : int
        After how many opcodes to give up.

    Returns
    -------
    tuple[object, int]
        What the pickle holds, made of ``None``, bool, int, float, str, bytes, memoryview,
        tuple, list, dict, set, ``Name``, ``Call`` and ``Persistent``, and the position
        after its last byte.

    Raises
    ------
    MalformedPickleError
        If it is not a pickle, is cut off, names another global, or goes beyond the limits
        of this module.
    """
    machine = Machine(content, start, names=names, persistent=persistent)
    try:
        return _run(machine, max_operations), machine.position
    except (ValueError, OverflowError, struct.error) as error:
        raise MalformedPickleError(f"byte {machine.opcode_at}: {error!s:.100}") from None


def _run(machine: Machine, max_operations: int) -> object:
    for _ in range(max_operations):
        opcode = machine.next_opcode()
        if opcode == _STOP:
            return machine.pop()
        operation = _OPERATIONS.get(opcode)
        if operation is None:
            raise machine.error(f"opcode {_NAMES.get(opcode, hex(opcode))} is not allowed")
        operation(machine)
    raise machine.error(f"more than {max_operations} opcodes")


def _discard(_: object) -> None:
    pass


def _tuple(count: int) -> Operation:
    def operation(machine: Machine) -> None:
        taken = [machine.pop() for _ in range(count)]
        machine.push(tuple(reversed(taken)))

    return operation


def _from_mark(build: Callable[[list[object]], object]) -> Operation:
    return lambda machine: machine.push(build(machine.pop_to_mark()))


def _dictionary(machine: Machine) -> None:
    flat = machine.pop_to_mark()
    machine.push({})
    _set_items(machine, flat)


def _set_item(machine: Machine) -> None:
    value, key = machine.pop(), machine.pop()
    _set_items(machine, [key, value])


def _set_items(machine: Machine, flat: list[object]) -> None:
    if len(flat) % 2:
        raise machine.error("a key without a value")
    target, pairs = machine.top(), zip(flat[::2], flat[1::2], strict=True)
    if isinstance(target, dict):
        target.update((hashable(key), value) for key, value in pairs)
    elif isinstance(target, Call):
        target.items.extend((hashable(key), value) for key, value in pairs)
    else:
        raise machine.error(f"items for {type(target).__name__}, which holds none")


def _append(machine: Machine, elements: list[object]) -> None:
    target = machine.top()
    if isinstance(target, list):
        target.extend(elements)
    elif isinstance(target, Call):
        target.elements.extend(elements)
    else:
        raise machine.error(f"elements for {type(target).__name__}, which is no list")


def _add(machine: Machine) -> None:
    elements = machine.pop_to_mark()
    target = machine.top()
    if isinstance(target, set):
        target.update(map(hashable, elements))
    elif isinstance(target, Call):
        target.elements.extend(elements)
    else:
        raise machine.error(f"elements for {type(target).__name__}, which is no set")


def _pop(machine: Machine) -> None:
    # As in Python's unpickler: a mark on the top is what is popped.
    if machine.marks and machine.marks[-1] == len(machine.stack):
        machine.marks.pop()
    else:
        machine.pop()


def _get(machine: Machine, key: int) -> None:
    if key not in machine.memo:
        raise machine.error(f"nothing was remembered as number {key}")
    machine.push(machine.memo[key])


def _put(machine: Machine, key: int) -> None:
    if not 0 <= key < MAX_MEMO_KEY:
        raise machine.error(f"something to be remembered as number {key}")
    machine.memo[key] = machine.top()


def _with_index(operation: Callable[[Machine, int], None], width: int) -> Operation:
    if width == 0:
        return lambda machine: operation(machine, decimal(machine, machine.line()))
    return lambda machine: operation(machine, int.from_bytes(machine.take(width), "little"))


def _read_name(machine: Machine) -> Name:
    module = machine.line().decode()
    return machine.name(module, machine.line().decode())


def _global(machine: Machine) -> None:
    machine.push(_read_name(machine))


def _stack_global(machine: Machine) -> None:
    name, module = machine.pop(), machine.pop()
    if not isinstance(name, str) or not isinstance(module, str):
        raise machine.error("a global whose name is not text")
    machine.push(machine.name(module, name))


def _reduce(machine: Machine) -> None:
    arguments = machine.pop_tuple()
    machine.push(Call(machine.pop_callee(), arguments))


def _new_with_keywords(machine: Machine) -> None:
    keywords = machine.pop()
    if not isinstance(keywords, dict):
        raise machine.error("keyword arguments that are no dictionary")
    arguments = machine.pop_tuple()
    machine.push(Call(machine.pop_callee(), (*arguments, keywords)))


def _instance(machine: Machine) -> None:
    name = _read_name(machine)
    machine.push(Call(name, tuple(machine.pop_to_mark())))


def _object(machine: Machine) -> None:
    taken = machine.pop_to_mark()
    if not taken:
        raise machine.error("an object without a class")
    machine.push(Call(machine.as_callee(taken[0]), tuple(taken[1:])))


def _build(machine: Machine) -> None:
    state, target = machine.pop(), machine.top()
    if not isinstance(target, Call):
        raise machine.error(f"a state for {type(target).__name__}, which has none")
    target.state = state


def _persistent(machine: Machine) -> None:
    if not machine.persistent:
        raise machine.error("a persistent id, which refers to something outside of the file")
    machine.push(Persistent(machine.pop()))


def _protocol(machine: Machine) -> None:
    version = machine.take(1)[0]
    if version > MAX_PROTOCOL:
        raise machine.error(f"protocol {version} where at most {MAX_PROTOCOL} is known")


def _frame(machine: Machine) -> None:
    length = int.from_bytes(machine.take(8), "little")
    start = machine.position
    machine.take(length)
    machine.position = start


_BY_NAME: dict[str, Operation] = {
    "PROTO": _protocol,
    "FRAME": _frame,
    **LITERALS,
    "EMPTY_TUPLE": constant(()),
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    "TUPLE": _from_mark(tuple),
    "EMPTY_LIST": lambda machine: machine.push([]),
    "LIST": _from_mark(list),
    "APPEND": lambda machine: _append(machine, [machine.pop()]),
    "APPENDS": lambda machine: _append(machine, machine.pop_to_mark()),
    "EMPTY_DICT": lambda machine: machine.push({}),
    "DICT": _dictionary,
    "SETITEM": _set_item,
    "SETITEMS": lambda machine: _set_items(machine, machine.pop_to_mark()),
    "EMPTY_SET": lambda machine: machine.push(set()),
    "FROZENSET": _from_mark(lambda elements: set(map(hashable, elements))),
    "ADDITEMS": _add,
    "MARK": lambda machine: machine.mark(),
    "POP": _pop,
    "POP_MARK": lambda machine: _discard(machine.pop_to_mark()),
    "DUP": lambda machine: machine.push(machine.top()),
    "GET": _with_index(_get, 0),
    "BINGET": _with_index(_get, 1),
    "LONG_BINGET": _with_index(_get, 4),
    "PUT": _with_index(_put, 0),
    "BINPUT": _with_index(_put, 1),
    "LONG_BINPUT": _with_index(_put, 4),
    "MEMOIZE": lambda machine: _put(machine, len(machine.memo)),
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "REDUCE": _reduce,
    "NEWOBJ": _reduce,
    "NEWOBJ_EX": _new_with_keywords,
    "INST": _instance,
    "OBJ": _object,
    "BUILD": _build,
    "BINPERSID": _persistent,
}
_NAMES = {ord(opcode.code): opcode.name for opcode in pickletools.opcodes}
_OPERATIONS = {number: _BY_NAME[name] for number, name in _NAMES.items() if name in _BY_NAME}
_STOP = ord(".")
