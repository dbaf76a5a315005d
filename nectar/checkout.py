"""Where Nectar's other packages lie: in the folder that holds this one, wherever one works."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
# Some have names that a user's own file may have.
PACKAGES: Final = (
    *("client_app", "generators", "local_federation", "models", "pickles"),
    *("server_app", "strategies"),
)


@contextmanager
def at_hand() -> Iterator[None]:
    """Run a block in which Nectar's packages are found first; ``sys.path`` is then as it was.

    Raises
    ------
    ImportError
        If a module of the same name as one of them was imported before.
    """
    for name in PACKAGES:
        module = sys.modules.get(name)
        found = getattr(module, "__file__", None)
        if module is not None and (not found or Path(found).resolve().parents[1] != ROOT):
            raise ImportError(
                f"nectar: expected {name} to be the package in {ROOT}, got {found or module}, "
                f"which was imported before; give it another name, or run where it is not found"
            )
    before = list(sys.path)
    sys.path.insert(0, str(ROOT))
    try:
        yield
    finally:
        sys.path[:] = before
