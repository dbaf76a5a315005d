"""One round of a client with a model of its own, on noise and without a server.

What is measured is the method's own client half: learning, the payload that it sends, and its
test, after a round that brought the payload that a server would send.
"""

import json
import time
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, final

import torch
from torch import Tensor, nn

from client_app.half import client_half
from client_app.profiling import memory
from models import catalogue
from strategies.common import seeds
from strategies.common.agreed import Agreed
from strategies.common.architecture import Architecture
from strategies.common.errors import SettingsError
from strategies.common.inputs import Images, Inputs, from_sizes, sizes_of
from strategies.common.message import MessageClient, ModelState
from strategies.common.model import FeatureModel
from strategies.common.open_data import OpenData
from strategies.common.payload import Payload, Rule, rules_of
from strategies.common.run_config import RunConfig, read_run
from strategies.common.samples import Samples
from strategies.common.settings import RunSettings
from strategies.common.task import Task
from strategies.common.transport.compute import threads
from strategies.common.wire import encode

# From the second round on, clients receive what the first has brought.
_ROUND: Final = 2
# Open data where no setting says how many.
_OPEN: Final = 1000


@final
@dataclass(frozen=True)
class MessageWorkload:
    """One client's round.

    Attributes
    ----------
    config : RunConfig
        Every setting; says method, batch size, epochs and optimiser.
    model : str
        Name of the client's model.
    inputs : Inputs
        What one sample is.
    num_classes, train_samples, test_samples : int
        Sizes of the client's data.
    """

    config: RunConfig
    model: str
    inputs: Inputs
    num_classes: int
    train_samples: int
    test_samples: int

    def to_json(self) -> str:
        """Write for another process."""
        inputs = {"kind": self.inputs.kind, "sizes": sizes_of(self.inputs)}
        return json.dumps({**vars(self), "inputs": inputs})

    @classmethod
    def from_json(cls, text: str) -> "MessageWorkload":
        """Read what :meth:`to_json` wrote."""
        values: dict[str, Any] = json.loads(text)
        return cls(**{**values, "inputs": from_sizes(**values["inputs"])})


@final
@dataclass(frozen=True)
class RoundFigures:
    """What one round costs.

    Attributes
    ----------
    parameters : int
        Weights of the client's model.
    baseline_bytes, peak_bytes : int
        Resident memory before there is this client, and most of it while it worked.
    train_s, test_s : float
        Seconds of learning, with what is sent, and of the test.
    bytes_up, bytes_down : int
        Payloads of the round, headers included; the control record of a few kilobytes is not.
    """

    parameters: int
    baseline_bytes: int
    peak_bytes: int
    train_s: float
    test_s: float
    bytes_up: int
    bytes_down: int

    @property
    def extra_bytes(self) -> int:
        """Peak above the baseline: model, optimiser, samples, activations."""
        return self.peak_bytes - self.baseline_bytes

    def to_json(self) -> str:
        """Write for another process or program."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "RoundFigures":
        """Read what :meth:`to_json` wrote."""
        return cls(**json.loads(text))


@final
class NoiseDevice:
    """Satisfies ``strategies.common.device.MessageDevice`` with samples of noise.

    Parameters
    ----------
    work : MessageWorkload
        What the client has.
    settings : RunSettings
        General settings of the run.
    """

    partition = 0
    round_number = _ROUND

    def __init__(self, work: MessageWorkload, settings: RunSettings) -> None:
        self._work = work
        self.settings = settings
        self.torch_device = torch.device("cpu")
        shape = Task(work.num_classes, work.inputs, settings.feature_dim)
        dim = shape.feature_dim or self._build(shape).feature_dim
        opened = self._samples(settings.open_samples or _OPEN)
        self.open_data, self._open_classes = OpenData.of(opened.inputs), opened.labels
        self.task = Task(work.num_classes, work.inputs, dim, open_set=self.open_data.told)
        self.train = self._samples(work.train_samples)
        self.test = self._samples(work.test_samples)

    def open_labels(self, unless: str) -> Tensor:  # noqa: ARG002 - they are always there
        """Return the labels of its open data."""
        return self._open_classes

    def build_model(self, *, alike: bool = False) -> FeatureModel:  # noqa: ARG002 - it is alone
        """Build the client's model with fresh weights."""
        return self._build(self.task)

    def generator(self, purpose: str) -> torch.Generator:
        """Return randomness for a purpose."""
        return seeds.generator(self.settings.seed, purpose, round_number=_ROUND, partition=0)

    def _build(self, task: Task) -> FeatureModel:
        return catalogue.build(self._work.model, task, self.settings.feature_dim, 0)

    def _samples(self, count: int) -> Samples:
        inputs, noise = self._work.inputs, self.generator(f"{count} samples")
        if isinstance(inputs, Images):
            drawn = torch.randint(0, 256, (count, *inputs.shape), generator=noise).to(torch.uint8)
        else:
            drawn = inputs.example(count, noise)
        return Samples(drawn, torch.arange(count) % self._work.num_classes)


def measure(work: MessageWorkload) -> RoundFigures:
    """Measure one round in this process; memory is the process's own.

    Raises
    ------
    SettingsError
        If the method is of another kind, or leaves to a server what must be given here.
    ModelError
        If the model cannot read the inputs.
    """
    config = {**work.config, "device": "cpu"}
    settings = read_run(config)
    half = client_half(settings, config)
    if not isinstance(half, MessageClient):
        raise SettingsError(
            f"--method {settings.method}: expected a method whose clients train models of their "
            f"own, got one that does not"
        )
    with threads(settings.client_threads):
        _bring_in_libraries()
        memory.reset_peak()
        baseline = memory.resident_bytes()
        device = NoiseDevice(work, settings)
        agreed = half.provided.agree(device.task)
        down = half.phase(_ROUND).down
        if half.phase(_ROUND).follows_model:
            agreed = replace(agreed, architecture=Architecture.of(device.build_model()))
        downlink = None if down is None else example(down, agreed)
        state = half.start(device)
        begin = time.perf_counter()
        uplink = _learn(half, device, state, downlink)
        between = time.perf_counter()
        half.evaluate(device, state, downlink)
        end = time.perf_counter()
        peak = memory.peak_bytes()
    return RoundFigures(
        parameters=sum(parameter.numel() for parameter in state.model.parameters()),
        baseline_bytes=min(baseline, peak),
        peak_bytes=peak,
        train_s=between - begin,
        test_s=end - between,
        bytes_up=_length(uplink, settings.wire_dtype),
        bytes_down=_length(downlink, settings.wire_dtype),
    )


def _learn(
    half: MessageClient[Any, Any, Any, Any],
    device: NoiseDevice,
    state: ModelState,
    downlink: Payload | None,
) -> Payload | None:
    try:
        with seeds.seeded(seeds.derive(0, "profile")):
            uplink: Payload | None = half.train(device, state, downlink).uplink
    except SettingsError as error:
        raise SettingsError(f"{error}; here is no server: give it with --set KEY=VALUE") from None
    return uplink


def example(kind: type[Payload], agreed: Agreed) -> Payload:
    """Return a payload of the largest size that both sides let pass.

    Raises
    ------
    SettingsError
        If an axis has no length before a server has said it.
    """
    sizes = kind.sizes(agreed)
    values: dict[str, Tensor | None] = {}
    for name, rule in rules_of(kind).items():
        if name in sizes.absent:
            values[name] = None
            continue
        shape = [sizes.bound(axis) for axis in rule.axes]
        # A vector may be empty, as what a model measures that measures nothing.
        if len(shape) > 1 and 0 in shape:
            axis, method = rule.axes[shape.index(0)], agreed.run.method
            raise SettingsError(
                f"--method {method}: the length of {kind.schema}'s axis {axis} is what the server "
                f"tells its clients; give it, e.g. --set {method}.{axis}-dim=512"
            )
        values[name] = _filled(rule, shape, agreed.task.num_classes)
    return kind(**values)


def _filled(rule: Rule, shape: list[int], num_classes: int) -> Tensor:
    if rule.kind == "float":
        # Rows that sum to 1 are what every reader of rows takes.
        return torch.full(shape, 1 / max(shape[-1], 1))
    if rule.is_label:
        return torch.arange(shape[0]) % num_classes
    if rule.kind == "uint8":
        return torch.full(shape, 128, dtype=torch.uint8)
    if rule.kind == "bool":
        return torch.ones(shape, dtype=torch.bool)
    return torch.full(shape, 1 if rule.low is None else int(rule.low), dtype=torch.int64)


def _length(payload: Payload | None, wire_dtype: str) -> int:
    return 0 if payload is None else len(encode(payload, wire_dtype))


def _bring_in_libraries() -> None:
    """Compute gradients of a very small network, so that the libraries' code is not counted."""
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 2))
    network(torch.zeros(2, 1, 8, 8)).sum().backward()
