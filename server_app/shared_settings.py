"""Settings that runs of different methods share, so that they may differ in them besides that."""

from collections.abc import Iterable
from typing import Final

from strategies import tables
from strategies.common import simulated
from strategies.methods import METHODS, reads

# A generator is part of the method that asks for it, as its own table is.
_OF_METHODS: Final = frozenset({"method", "generator"})


def is_shared(key: str, names: Iterable[str]) -> bool:
    """Tell whether a difference in a setting is one besides the methods.

    Parameters
    ----------
    key : str
        Setting; of a table as ``"simulated.dropout"``.
    names : Iterable[str]
        The methods; the table need not know them any more.
    """
    table, dot, _ = key.partition(".")
    if not dot:
        return key not in _OF_METHODS
    # Clients of methods that simulate no conditions meet none.
    return table == simulated.TABLE or all(reads_shared(name, key) for name in names)


def reads_shared(name: str, key: str) -> bool:
    """Tell whether a method reads a setting of a table that methods of a kind share."""
    table = key.partition(".")[0]
    return table in tables.SHARED and name in METHODS and reads(name, key)
