"""What the warm server has in memory, and what its apps import besides."""

import gc
import importlib
import json
import os
import sys
import sysconfig
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

# What every app of Flower's imports that computes with torch; the rest is learnt from the apps.
BASE = ("torch", "flwr.app", "flwr.clientapp", "flwr.supercore.object_ref")

_KNOWN_THREADS = "jemalloc_bg"


@final
@dataclass(frozen=True)
class Preloaded:
    """Modules to have in memory before anything is asked for.

    Attributes
    ----------
    app : str
        Folder of the app bundle of which modules are in memory; empty for none.
    modules : tuple[str, ...]
        What to import beyond ``BASE``, in order.
    """

    app: str = ""
    modules: tuple[str, ...] = ()

    @classmethod
    def read(cls, place: Path) -> "Preloaded":
        """Read what was written by ``write`` or by an app; nothing if that cannot be read."""
        try:
            told = json.loads(place.read_text())
            return cls(str(told["app"]), tuple(str(name) for name in told["modules"]))
        except (OSError, ValueError, KeyError, TypeError):
            return cls()

    def write(self, place: Path) -> None:
        """Write it for a server."""
        place.write_text(json.dumps({"app": self.app, "modules": self.modules}))

    def with_more(self, learnt: "Preloaded") -> "Preloaded":
        """Return it with what an app imported besides, after what was known."""
        names = dict.fromkeys((*self.modules, *learnt.modules))
        return Preloaded(learnt.app or self.app, tuple(names))


def preload(preloaded: Preloaded, missing: frozenset[str] = frozenset()) -> frozenset[str]:
    """Import it all; what cannot be imported is left to the app, which will say why.

    Forks share the memory of what is imported here for as long as they do not write to it.

    Parameters
    ----------
    preloaded : Preloaded
        What to import.
    missing : frozenset[str]
        What could not be imported before, and is not tried again.

    Returns
    -------
    frozenset[str]
        All that could not be imported.
    """
    # Asking a driver what there is would leave forks without a GPU.
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    if preloaded.app and preloaded.app not in sys.path:
        sys.path.insert(0, preloaded.app)
    failed = set(missing)
    for name in (*BASE, *preloaded.modules):
        try:
            if name not in missing:
                importlib.import_module(name)
        except Exception:
            # Whatever an import may raise.
            failed.add(name)
    gc.collect()
    gc.freeze()
    return frozenset(failed)


def fit_to_fork() -> bool:
    """Tell whether no thread is left that a fork would do without.

    Libraries that know of forks put their threads away before one (OpenBLAS), or start them
    anew in the fork (jemalloc).
    """
    trial = os.fork()
    if not trial:
        os._exit(0)
    os.waitpid(trial, 0)
    try:
        tasks = list(Path("/proc/self/task").iterdir())
        names = [(task / "comm").read_text() for task in tasks]
    except OSError:
        return threading.active_count() == 1
    return sum(not name.startswith(_KNOWN_THREADS) for name in names) == 1


def imported_since(before: frozenset[str], app: str) -> list[str]:
    """Return the modules of libraries and of the app that were imported since, in order."""
    homes = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    homes += [app] if app else []
    names = [name for name in sys.modules if name not in before]
    return [name for name in names if any(_lies_in(name, home) for home in homes)]


def libraries(preloaded: Preloaded) -> tuple[str, ...]:
    """Return what is in memory of it, without the app bundle's own modules."""
    names = (name for name in preloaded.modules if name in sys.modules)
    return tuple(name for name in names if not _lies_in(name, preloaded.app))


def forget(app: str) -> None:
    """Take the modules of an app bundle out of memory, so that another's are imported."""
    for name in [name for name in sys.modules if _lies_in(name, app)]:
        del sys.modules[name]
    sys.path[:] = [place for place in sys.path if place != app]
    importlib.invalidate_caches()


def _lies_in(name: str, folder: str) -> bool:
    module: Any = sys.modules.get(name)
    spec = getattr(module, "__spec__", None)
    if spec is None or spec.name != name or not folder:
        return False
    return str(spec.origin).startswith(folder.rstrip(os.sep) + os.sep)
