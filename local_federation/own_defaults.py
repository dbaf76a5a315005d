"""Settings that a command plays where nobody says otherwise: told, since they are not the app's."""

from collections.abc import Mapping

from rich.console import Console

Value = bool | int | float | str


def typed_over(
    what: str, defaults: Mapping[str, Value], typed: Mapping[str, Value], console: Console
) -> dict[str, Value]:
    """Return the settings to play, and say those that are neither typed nor the app's defaults.

    Parameters
    ----------
    what : str
        Whose defaults they are, e.g. ``"demo"``.
    defaults : Mapping[str, Value]
        What the command plays of itself.
    typed : Mapping[str, Value]
        The user's own, which count.
    console : Console
        Where it is said.
    """
    if told := ", ".join(f"{key}={value}" for key, value in defaults.items() if key not in typed):
        console.print(f"settings of {what}: {told}", highlight=False, soft_wrap=True, markup=False)
    return {**defaults, **typed}
