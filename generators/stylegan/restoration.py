"""From a pickle's symbols to module records, tensors and numbers.

What a file may ask for is listed here by name, and each name has a few lines of our own
that check the arguments. Anything else becomes an ``Unknown``: inert, and refused where a
tensor or a module is needed. Nothing is looked up by a name that a file holds.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import final

import numpy as np
from torch import Tensor

from generators.stylegan import storages
from generators.stylegan.records import Record
from pickles import arrays
from pickles.byte_strings import BYTE_STRINGS
from pickles.symbols import Call, MalformedPickleError, Name, Opaque

# The classes of a published generator; a discriminator's are not needed.
NETWORK_CLASSES = frozenset(
    {
        "Generator",
        "SuperresGenerator",
        "MappingNetwork",
        "SynthesisNetwork",
        "SynthesisBlock",
        "SynthesisLayer",
        "SynthesisInput",
        "ToRGBLayer",
        "FullyConnectedLayer",
        "Conv2dLayer",
    }
)
# Networks are some 20 levels deep, dictionaries counted.
MAX_DEPTH = 60
# Networks have some 10,000.
MAX_OBJECTS = 300_000

_ATOMS = (bool, int, float, str, bytes)
_PART_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")


@final
@dataclass(frozen=True, slots=True)
class Unknown:
    """What stands where a file holds something that is not data, e.g. a function."""

    name: str


@final
class Restoration:
    """Rebuilds the objects of one pickle; shared tensors once, shared containers anew.

    A few containers that hold each other twice would make a tree that no one can walk
    over; rebuilding them anew lets the number of objects be counted.

    Parameters
    ----------
    max_bytes : int
        How much all tensors and arrays may take together: many could claim the same bytes
        of a file.
    """

    def __init__(self, max_bytes: int) -> None:
        self._bytes_left = max_bytes
        self._objects_left = MAX_OBJECTS
        self._depth = 0
        # Calls stay beside their results: an id is unique only while its object lives.
        self._done: dict[int, tuple[Call, object]] = {}

    def restore(self, symbol: object, path: str) -> object:
        """Rebuild one object.

        Parameters
        ----------
        symbol : object
            As ``opcodes.parse`` returns it.
        path : str
            Where it stands in the network; "" for the network.

        Returns
        -------
        object
            ``Record``, ``Tensor``, numpy array, ``Unknown``, or Python's numbers, texts and
            containers of these.

        Raises
        ------
        MalformedPickleError
            If a module of the network or a tensor is broken.
        """
        if symbol is None or isinstance(symbol, _ATOMS):
            return symbol
        if self._depth >= MAX_DEPTH:
            raise MalformedPickleError(f"{_place(path)} contains itself or is nested too deeply")
        self._count(symbol, path)
        self._depth += 1
        restored = self._restore(symbol, path)
        self._depth -= 1
        return restored

    def _restore(self, symbol: object, path: str) -> object:
        match symbol:
            case Call():
                return self._call(symbol, path)
            case dict():
                return self._dictionary(symbol.items(), path)
            case list() | tuple():
                return type(symbol)(self.restore(element, path) for element in symbol)
            case set():
                return _atoms(symbol)
            case memoryview():
                return symbol
        return Unknown(str(symbol) if isinstance(symbol, Name) else type(symbol).__name__)

    def _call(self, call: Call, path: str) -> object:
        name = _callee(call)
        if name in _SPECIAL:
            return _SPECIAL[name](self, call, path)
        if name not in _PLAIN:
            return Unknown(name)
        if id(call) in self._done:
            return self._done[id(call)][1]
        arguments = tuple(self.restore(argument, path) for argument in call.arguments)
        try:
            built = _PLAIN[name](arguments, self.restore(call.state, path))
        except MalformedPickleError as error:
            raise MalformedPickleError(f"{_place(path)} has {error}") from None
        if isinstance(built, Tensor | np.ndarray):
            self._spend(built.nbytes, path)
        elif isinstance(built, bytes):
            self._spend(len(built), path)
        self._done[id(call)] = (call, built)
        return built

    def _count(self, symbol: object, path: str) -> None:
        """Count an object and what it holds, whether or not it will be rebuilt."""
        self._objects_left -= 1
        if isinstance(symbol, dict | list | tuple | set):
            self._objects_left -= len(symbol)
        elif isinstance(symbol, Call):
            self._objects_left -= len(symbol.items) + len(symbol.elements)
        if self._objects_left < 0:
            raise MalformedPickleError(f"{_place(path)} holds more than {MAX_OBJECTS} objects")

    def _spend(self, num_bytes: int, path: str) -> None:
        self._bytes_left -= num_bytes
        if self._bytes_left < 0:
            raise MalformedPickleError(f"{_place(path)} makes the tensors larger than the file")

    def persistent(self, call: Call, path: str) -> Record | Unknown:
        """Rebuild a module of a known class; the source that the file carries is dropped."""
        match call.arguments:
            case ({"class_name": str(class_name), "state": state},):
                if class_name in NETWORK_CLASSES:
                    return self._record(class_name, state, path)
                return Unknown(class_name)
        raise MalformedPickleError(f"{_place(path)} is stored in an unknown layout")

    def embedding(self, call: Call, path: str) -> Record:
        """Rebuild a ``torch.nn.Embedding``, as StyleGAN-XL's mapping has one."""
        return self._record("Embedding", call.state, path)

    def dictionary(self, call: Call, path: str) -> dict[object, object]:
        """Rebuild an ``OrderedDict`` or ``EasyDict``."""
        return self._dictionary(call.items, path)

    def elements(self, call: Call, path: str) -> frozenset[object]:
        """Rebuild a set of atoms, as ``set(list)`` or as ``set()`` and additions."""
        given = call.arguments[0] if call.arguments else ()
        self._count(given, path)
        listed = given if isinstance(given, list | tuple | set) else ()
        return _atoms((*listed, *call.elements))

    def _dictionary(
        self, items: Iterable[tuple[object, object]], path: str
    ) -> dict[object, object]:
        return {
            key: self.restore(value, path) for key, value in items if not isinstance(key, Opaque)
        }

    def _record(self, class_name: str, state: object, path: str) -> Record:
        restored: dict[str, object] = {}
        for key, value in self._items(state, path):
            if not isinstance(key, str) or not _PART_NAME.fullmatch(key):
                continue
            if key == "_modules":
                restored[key] = self._parts(value, path, Record)
            elif key in ("_parameters", "_buffers"):
                restored[key] = self._parts(value, path, Tensor)
            else:
                restored[key] = self.restore(value, f"{path}.{key}" if path else key)
        return Record(path, class_name, restored)

    def _parts(self, table: object, path: str, kind: type[Record | Tensor]) -> dict[str, object]:
        """Rebuild modules, parameters or buffers; ``None`` stands for an absent one."""
        parts: dict[str, object] = {}
        for name, value in self._items(table, path):
            if not isinstance(name, str) or not _PART_NAME.fullmatch(name):
                raise MalformedPickleError(f"{_place(path)} has a part named {name!r:.80}")
            place = f"{path}.{name}" if path else name
            part = self.restore(value, place)
            if part is not None and not isinstance(part, kind):
                found = part.name if isinstance(part, Unknown) else type(part).__name__
                needed = "StyleGAN module" if kind is Record else "tensor"
                raise MalformedPickleError(f"{place} is {found!r:.80} where a {needed} is needed")
            parts[name] = part
        return parts

    def _items(self, table: object, path: str) -> Iterable[tuple[object, object]]:
        self._count(table, path)
        if isinstance(table, dict):
            return table.items()
        if isinstance(table, Call) and _SPECIAL.get(_callee(table)) is Restoration.dictionary:
            return table.items
        raise MalformedPickleError(f"{_place(path)} has no dictionary where one is needed")


def _callee(call: Call) -> str:
    """Return the name of what is called; dill fetches builtin classes by a call of its own."""
    match call:
        case Call(Name() as name):
            return str(name)
        case Call(Call(Name("dill._dill", "_load_type"), (str(name),))):
            return f"builtins.{name}"
    return "the result of a call"


def _atoms(elements: Iterable[object]) -> frozenset[object]:
    return frozenset(element for element in elements if isinstance(element, _ATOMS))


def _place(path: str) -> str:
    return path[:200] or "the network"


_Plain = Callable[[tuple[object, ...], object], object]
_Special = Callable[[Restoration, Call, str], object]

_PLAIN: dict[str, _Plain] = {
    "torch.storage._load_from_bytes": storages.load,
    "torch._utils._rebuild_tensor": storages.rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": storages.rebuild_tensor,
    "torch._utils._rebuild_parameter": storages.rebuild_parameter,
    "torch._utils._rebuild_parameter_with_state": storages.rebuild_parameter,
    "numpy.dtype": arrays.layout,
    **dict.fromkeys(arrays.SCALAR, arrays.scalar),
    **dict.fromkeys(arrays.RECONSTRUCT, arrays.reconstruct),
    **dict.fromkeys(arrays.FROM_BUFFER, arrays.from_buffer),
    "dill._dill._create_array": arrays.create_array,
    **BYTE_STRINGS,
}
_SPECIAL: dict[str, _Special] = {
    "torch_utils.persistence._reconstruct_persistent_obj": Restoration.persistent,
    "torch.nn.modules.sparse.Embedding": Restoration.embedding,
    "collections.OrderedDict": Restoration.dictionary,
    "builtins.OrderedDict": Restoration.dictionary,
    "builtins.dict": Restoration.dictionary,
    "dnnlib.util.EasyDict": Restoration.dictionary,
    "builtins.set": Restoration.elements,
    "__builtin__.set": Restoration.elements,
    "builtins.frozenset": Restoration.elements,
    "__builtin__.frozenset": Restoration.elements,
}
