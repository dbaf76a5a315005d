"""What a method has to beat: its clients on their own."""

from collections.abc import Mapping

from local_federation import adapter_demo
from strategies.methods import adapts, exchanges


def baseline_of(method: str) -> Mapping[str, bool | int | float | str] | None:
    """Return the settings of the run that a method has to beat, or ``None`` where none is played.

    Clients of a split method hold no network of their own that could be trained alone.
    """
    if adapts(method):
        return adapter_demo.ALONE
    return None if method == "local" or exchanges(method) else {"method": "local"}
