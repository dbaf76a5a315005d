"""What messages call a part of the stream's address: a setting, or whoever set it instead."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

# By the setting's name without its table.
Names = Mapping[str, str]

_TABLE = "split."
SETTINGS: Final[Mapping[str, str]] = MappingProxyType(
    {field: f"{_TABLE}{field}" for field in ("host", "port", "advertise", "certificate", "key")}
)


def called(name: str) -> str:
    """Return a name with what it is."""
    return f"{'setting' if name.startswith(_TABLE) else 'environment variable'} {name}"
