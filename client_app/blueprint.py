"""How the model of a client's state is built, kept with it: a state alone says what it is.

A model can then be taken away without its data, and without the config of the run.
"""

import json
from dataclasses import dataclass
from typing import Final, final

from client_app.devices.kinds import AnyLocalDevice
from client_app.devices.message_device import LocalDevice
from client_app.node import NodeConfig
from strategies.common.errors import StoreError
from strategies.common.method import AnyClientHalf
from strategies.common.round import Evaluation
from strategies.common.run_config import RunConfig, default_config
from strategies.common.task import Task

# Whatever the settings of another day or place say, an export computes here.
_NOT_KEPT: Final = ("runs-dir", "state-dir", "device", "resume", "resume-from")


@final
@dataclass(frozen=True)
class Blueprint:
    """What a model is built from.

    Attributes
    ----------
    architecture : str
        Name of the client's model as it was chosen; empty where it holds a part of a network.
    task : Task
        What it learns.
    partition, num_partitions : int
        Which client it is, and of how many.
    data : str
        Where its samples come from.
    settings : RunConfig
        Those of the run as resolved: general ones, the method's and tables that it shares.
    accuracy : float | None
        Of the model in the same round, where the device tested it before it was saved.
    test_samples : int
        Samples behind it.
    words : str
        Digest of whatever numbered the words of texts.
    """

    architecture: str
    task: Task
    partition: int
    num_partitions: int
    data: str
    settings: RunConfig
    accuracy: float | None
    test_samples: int
    words: str = ""

    @staticmethod
    def of(
        half: AnyClientHalf, device: AnyLocalDevice, evaluation: Evaluation | None
    ) -> "Blueprint":
        """Return how a client's model is built, and how it did if that is known by now."""
        run, agreed = device.settings, half.agreed
        settings = device.node.reading(run).model_dump(
            by_alias=True, exclude={n.replace("-", "_") for n in _NOT_KEPT}
        )
        tables = {run.method: half.settings}
        tables |= {need.name.lower(): table for need, table in agreed.tables.items()}
        for name, table in tables.items():
            values = table.model_dump(by_alias=True)
            settings |= {f"{name}.{key}": value for key, value in values.items()}
        tested = sum(len(client.test) for client in device.clients) if evaluation else 0
        return Blueprint(
            device.chosen if isinstance(device, LocalDevice) else "",
            device.task,
            device.partition,
            device.node.num_partitions,
            device.node.data or run.data,
            settings,
            evaluation.correct / tested if evaluation and tested else None,
            tested,
            device.data.words if isinstance(device, LocalDevice) else "",
        )

    def to_text(self) -> str:
        """Return what :meth:`from_text` reads back."""
        return json.dumps({**vars(self), "task": self.task.to_values()})

    @classmethod
    def from_text(cls, text: str, where: str) -> "Blueprint":
        """Read what stands in a state.

        Parameters
        ----------
        text : str
            As :meth:`to_text` wrote it.
        where : str
            The state, for the error message.

        Raises
        ------
        StoreError
            If the state is of an older version, which did not say it, or of a newer one.
        """
        if not text:
            raise StoreError(
                f"{where}: expected a state that says how its model is built, got one of an "
                f"earlier version of Nectar; go on with its run for one round (resume=true and "
                f"one more of rounds), then export"
            )
        try:
            values = json.loads(text)
            return cls(**{**values, "task": Task.from_values(values["task"])})
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise StoreError(
                f"{where}: expected to read how its model is built, got: {error}; export with the "
                f"version of Nectar that played the run"
            ) from None

    def config(self) -> dict[str, bool | int | float | str]:
        """Return settings in full, to compute on the CPU; of those not kept, the defaults."""
        return {**default_config(), **self.settings, "device": "cpu"}

    def node(self, data: str = "", state_dir: str = "") -> NodeConfig:
        """Return what the operator would say of the device, with other data if any are named."""
        return NodeConfig(
            partition_id=self.partition,
            num_partitions=self.num_partitions,
            state_dir=state_dir,
            data=data or self.data,
            model=self.architecture,
        )
