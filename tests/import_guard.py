"""What a device must never import, and one round played under that rule.

For processes of their own: other tests have long loaded the server halves into theirs.
"""

import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import final

Value = bool | int | float | str

FORBIDDEN = (
    *("server_app", "generators", "local_federation", "strategies.*.server"),
    *("diffusers", "transformers", "peft", "accelerate", "matplotlib"),
    *("tensorboard", "wandb", "mlflow"),
)
# For these a device has uses, but not in a round on data that is already prepared.
ONCE = ("torchvision", "sklearn", "datasets", "flwr_datasets", "PIL", "torch._dynamo")


@final
class Guard:
    """Finds nothing, and refuses what is forbidden before anyone else can find it."""

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if any(fnmatchcase(name, pattern) for pattern in FORBIDDEN):
            # No ImportError: those are what a careful library catches.
            raise RuntimeError(f"a device imported {name}")
        return None


def install() -> None:
    """Refuse from now on; what was imported before is refused at once."""
    for name in sys.modules:
        Guard().find_spec(name)
    sys.meta_path.insert(0, Guard())


def import_client_halves() -> None:
    """Import the device's doors and every method's client half."""
    import client_app.main
    from client_app.half import client_half
    from strategies import methods
    from strategies.common.run_config import default_config, read_run

    assert client_app.main.app
    for name in methods.METHODS:
        config = {**default_config(), "method": name, "device": "cpu"}
        client_half(read_run(config), config)
        sys.stdout.write(f"strategies.{name}.client\n")


def round_config(folder: Path) -> dict[str, Value]:
    """Return a run config for a short round of Local with its state in a folder."""
    from strategies.common.run_config import default_config

    chosen: dict[str, Value] = {
        "method": "local",
        "models": "cnn",
        "data": "digits",
        "partition": "iid",
        "max-samples": 40,
        "feature-dim": 16,
        "device": "cpu",
        "state-dir": str(folder),
    }
    return {**default_config(), **chosen}


def play_round(folder: Path) -> None:
    """Train one round of client 0 of 2 through the device's door."""
    from flwr.app import Context, Message, RecordDict
    from flwr.supercore.task_identity import TaskIdentity

    import client_app.main
    from strategies.common.transport.control import Order, Report
    from strategies.common.transport.envelope import read_control_record, to_record_dict

    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 1, 1
    order = to_record_dict(Order(run="guarded", round_number=1, continue_from=0), None)
    context = Context(
        run_id=1,
        node_id=1,
        node_config={"partition-id": 0, "num-partitions": 2},
        state=RecordDict(),
        run_config=round_config(folder),
    )
    reply = client_app.main.app(Message(order, 1, "train"), context)
    report = read_control_record(reply.content, Report, sender="device")
    imported = [name for name in ONCE if name in sys.modules]
    if imported:
        raise RuntimeError(f"a round on prepared data imported {', '.join(imported)}")
    sys.stdout.write(f"trained on {report.train_samples} samples\n")
