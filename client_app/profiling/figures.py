"""What is measured on a device, and what comes out."""

import json
from dataclasses import asdict, dataclass
from typing import Any, final

from strategies.common.split.settings import SplitSettings
from strategies.common.task import Task

_FLOAT_BYTES = 4


@final
@dataclass(frozen=True)
class Workload:
    """One logical client's work.

    Attributes
    ----------
    settings : SplitSettings
        Network, cut, bottleneck and codecs.
    task : Task
        Channels and size of an image.
    batch : int
        Samples per step, at least 1; b in the paper.
    steps : int
        Steps that are timed, at least 1.
    frozen : bool
        Whether the client's model does not learn: views go up, and no gradient comes down.
    threads : int
        Torch threads, at least 1.
    """

    settings: SplitSettings
    task: Task
    batch: int
    steps: int
    frozen: bool
    threads: int

    def to_json(self) -> str:
        """Write for another process."""
        values = {
            **asdict(self),
            "settings": self.settings.model_dump(by_alias=True),
            "task": self.task.to_values(),
        }
        return json.dumps(values)

    @classmethod
    def from_json(cls, text: str) -> "Workload":
        """Read what :meth:`to_json` wrote."""
        values: dict[str, Any] = json.loads(text)
        settings = SplitSettings.model_validate(values.pop("settings"))
        return cls(settings=settings, task=Task.from_values(values.pop("task")), **values)


@final
@dataclass(frozen=True)
class DeviceFigures:
    """What one logical client costs.

    A floating-point operation is one addition or one multiplication; those of convolutions
    are counted and the rest, a few per value, is not.

    Attributes
    ----------
    front : str
        Network, cut and bottleneck of the client's model.
    parameters : int
        Weights of the client's model.
    baseline_bytes : int
        Resident memory of the process before there is this client: Python, libraries and
        app, after one step of a very small client has brought in the libraries' code.
    peak_bytes : int
        Most resident memory while it worked, baseline included.
    online_flops, backward_flops, momentum_flops : int
        Floating-point operations per step: the forward pass of the model that learns, its
        backward pass (0 where frozen), and the second view's forward pass.
    bytes_up, bytes_down : int
        Numbers that cross the network per step, with their scales and without headers: two
        batches of activations up, the gradient of one down; 2 b |latent| and b |latent|
        times the size of a number.
    median_ms, p90_ms : float
        Milliseconds of a step, views and coding included, network and server excluded:
        half of the steps, and nine tenths of them, took no longer.
    """

    front: str
    parameters: int
    baseline_bytes: int
    peak_bytes: int
    online_flops: int
    backward_flops: int
    momentum_flops: int
    bytes_up: int
    bytes_down: int
    median_ms: float
    p90_ms: float

    @property
    def extra_bytes(self) -> int:
        """Peak resident memory above the baseline: model, views, activations, workspace."""
        return self.peak_bytes - self.baseline_bytes

    @property
    def flops(self) -> int:
        """All floating-point operations per step."""
        return self.online_flops + self.backward_flops + self.momentum_flops

    @property
    def model_bytes(self) -> int:
        """Weights as they travel once each way at every synchronisation, in float32."""
        return self.parameters * _FLOAT_BYTES

    def to_json(self) -> str:
        """Write for another process or program."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "DeviceFigures":
        """Read what :meth:`to_json` wrote."""
        return cls(**json.loads(text))
