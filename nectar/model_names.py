"""Models as Python has them: names, classes and functions become the text of ``models``."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from models import own
from strategies.common.errors import SettingsError

MAIN: Final = "__main__"

# A name, or what builds a model of one's own.
Model = str | Callable[..., object]


def written(models: Model | Iterable[Model]) -> str:
    """Return the setting ``models``.

    Parameters
    ----------
    models : Model | Iterable[Model]
        Names as on the command line, or classes and functions ``Net(inputs, num_classes)``.

    Raises
    ------
    SettingsError
        If an entry is neither, or cannot be found by its name.
    """
    if isinstance(models, str):
        return models
    entries: Iterable[object] = [models] if callable(models) else models
    if not isinstance(entries, Iterable):
        raise SettingsError(
            f"setting models: expected names or classes, got {models!r}; e.g. ['cnn', Net]"
        )
    return ",".join(entry if isinstance(entry, str) else _named(entry) for entry in entries)


def of_main(models: str) -> list[str]:
    """Return those of the setting's models that stand in the program itself, or in a notebook."""
    split = [name.strip() for name in models.split(",")]
    return [name for name in split if name.startswith(f"{MAIN}:")]


def _named(maker: object) -> str:
    module, name = getattr(maker, "__module__", None), getattr(maker, "__qualname__", "")
    if not callable(maker) or not isinstance(module, str) or not name.isidentifier():
        raise SettingsError(
            f"setting models: expected names, or classes and functions at the top of a file or "
            f"notebook, got {maker!r}; {own.FORMS}"
        )
    home = sys.modules.get(module)
    if getattr(home, name, None) is not maker:
        raise SettingsError(
            f"setting models: expected {name} of {module} to be {maker!r}, got "
            f"{getattr(home, name, None)!r}; run the cell or file that defines it again"
        )
    file = getattr(home, "__file__", None)
    # A file is found wherever the model is built; a module only where the path is the same.
    if module != MAIN and "." not in module and file and file.endswith(".py"):
        return f"{Path(file).resolve()}:{name}"
    return f"{module}:{name}"
