"""What a published pickle holds, as inert data: module records with tensors and numbers."""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from torch import Tensor

from strategies.common.errors import GeneratorError


@final
@dataclass(frozen=True)
class Record:
    """One module of a pickled network: its class's name and its ``__dict__``.

    Attributes
    ----------
    path : str
        Where the module stands in the network, for error messages, e.g.
        ``synthesis.b4.conv1``.
    class_name : str
        Name of the class that wrote it.
    state : dict[str, object]
        The module's attributes; ``_parameters``, ``_buffers`` and ``_modules`` are
        dictionaries as in ``torch.nn.Module``.
    """

    path: str
    class_name: str
    state: dict[str, object]

    def has_tensor(self, name: str) -> bool:
        """Tell whether there is a parameter or a buffer of this name that is not ``None``."""
        return isinstance(self._find(("_parameters", "_buffers"), name), Tensor)

    def tensor(self, name: str) -> Tensor:
        """Return a parameter or a buffer as float32.

        Raises
        ------
        GeneratorError
            If there is none.
        """
        found = self._find(("_parameters", "_buffers"), name)
        if not isinstance(found, Tensor):
            raise self._error(f"a tensor {name!r}", found)
        return found.detach().float()

    def children(self) -> dict[str, "Record"]:
        """Return the modules inside, by name, in their stored order."""
        modules = self.state.get("_modules")
        if not isinstance(modules, dict):
            raise self._error("a dictionary of modules", modules)
        return {str(name): self.child(str(name)) for name in modules}

    def has_child(self, name: str) -> bool:
        """Tell whether there is a module of this name."""
        return isinstance(self._find(("_modules",), name), Record)

    def child(self, name: str) -> "Record":
        """Return the module of this name.

        Raises
        ------
        GeneratorError
            If there is none.
        """
        found = self._find(("_modules",), name)
        if not isinstance(found, Record):
            raise self._error(f"a module {name!r:.80}", found)
        return Record(f"{self.path}.{name}" if self.path else name, found.class_name, found.state)

    def number(self, name: str) -> float:
        """Return a numeric attribute.

        Raises
        ------
        GeneratorError
            If it is missing or not a finite number.
        """
        found = self.state.get(name)
        # Numbers that NumPy computed were stored as its scalars.
        if isinstance(found, np.generic | np.ndarray) and found.ndim == 0:
            found = found.item()
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise self._error(f"a number {name!r}", found)
        if not math.isfinite(found):
            raise self._error(f"a finite number {name!r}", found)
        return float(found)

    def integer(self, name: str) -> int:
        """Return a whole numeric attribute.

        Raises
        ------
        GeneratorError
            If it is missing or not a whole number.
        """
        found = self.number(name)
        if found != int(found):
            raise self._error(f"a whole number {name!r}", found)
        return int(found)

    def attribute(self, name: str, default: object = None) -> object:
        """Return an attribute as it was stored, or the default."""
        return self.state.get(name, default)

    def _find(self, tables: tuple[str, ...], name: str) -> object:
        for table in tables:
            entries = self.state.get(table)
            if isinstance(entries, dict) and name in entries:
                return entries[name]
        return None

    def _error(self, expected: str, found: object) -> GeneratorError:
        return GeneratorError(
            f"network {self.path or 'root'} ({self.class_name}): expected {expected}, "
            f"got {type(found).__name__}; the file is not a StyleGAN generator of a known layout"
        )
