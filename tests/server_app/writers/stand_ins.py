"""What stands in for libraries that are not installed: it writes down how it is called."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

Call = tuple[str, Any, dict[str, Any]]


class Calls:
    """What was called, in order; a name in ``broken`` raises."""

    def __init__(self) -> None:
        self.made: list[Call] = []
        self.broken: set[str] = set()

    def recording(self, name: str, answer: Any = None) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            self.made.append((name, args, options))
            if name in self.broken:
                raise ConnectionError(f"no way to {name}\nand much more")
            return answer

        return call

    def named(self, name: str) -> list[Call]:
        return [call for call in self.made if call[0] == name]


def wandb(monkeypatch: pytest.MonkeyPatch, run_id: str = "w1") -> tuple[Calls, Any]:
    """Install a stand-in for Weights & Biases; return its calls and its run."""
    calls = Calls()
    run = SimpleNamespace(
        id=run_id, summary={}, log=calls.recording("log"), finish=calls.recording("finish")
    )
    module: Any = ModuleType("wandb")
    module.init = calls.recording("init", run)
    module.Image = lambda file: ("image", file)
    monkeypatch.setitem(sys.modules, "wandb", module)
    return calls, run


def mlflow(monkeypatch: pytest.MonkeyPatch, run_id: str = "m1") -> Calls:
    """Install a stand-in for MLflow."""
    calls = Calls()
    module: Any = ModuleType("mlflow")
    run = SimpleNamespace(info=SimpleNamespace(run_id=run_id))
    module.start_run = calls.recording("start_run", run)
    for name in ("log_params", "log_metrics", "log_artifact", "end_run"):
        setattr(module, name, calls.recording(name))
    monkeypatch.setitem(sys.modules, "mlflow", module)
    return calls
