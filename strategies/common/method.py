"""The contract of a method: a client half, a server half and payloads between them.

Halves know tensors and dataclasses only. Flower's types stay in ``client_app`` and
``server_app``, which carry payloads, keep states and count bytes for every method alike.
A state is a dataclass of modules and tensors (``strategies/common/transport/state.py``) and lists
all that survives a round; ``train`` and ``aggregate`` change it in place.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Generic, TypeVar, final

from torch import Tensor

from strategies.common.adapters.backbone import Backbone
from strategies.common.device import Device
from strategies.common.task import Foundation, Task
from strategies.common.wire import Payload

State = TypeVar("State")
Uplink = TypeVar("Uplink", bound=Payload)
Downlink = TypeVar("Downlink", bound=Payload)


@final
@dataclass(frozen=True)
class Trained(Generic[Uplink]):
    """What a client half brings home from local training.

    Attributes
    ----------
    uplink : Uplink | None
        Payload for the server.
    losses : Mapping[str, float]
        Mean training losses by name, for the journal.
    figures : Mapping[str, float]
        What it cost this device, by name, e.g. ``"step_ms"``.
    notes : tuple[str, ...]
        What a user should know of it.
    """

    uplink: Uplink | None
    losses: Mapping[str, float]
    figures: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@final
@dataclass(frozen=True)
class Evaluation:
    """How a client's own model does on the client's own test split.

    Attributes
    ----------
    correct : float
        Samples classified correctly; where several answers are right, the sum of what the
        given ones are worth.
    loss : float
        Mean loss over the test samples.
    scores : Mapping[str, float]
        How other models of the client do on the same samples, by name, in [0, 1].
    """

    correct: float
    loss: float
    scores: Mapping[str, float] = field(default_factory=dict)


@final
@dataclass(frozen=True)
class Picture:
    """One labelled image for the run's folder and report.

    Attributes
    ----------
    name : str
        File name without ending, e.g. ``"class-3"``.
    pixels : Tensor
        (3, height, width) uint8.
    """

    name: str
    pixels: Tensor


@final
@dataclass(frozen=True)
class Aggregated:
    """What a server half says of a round, for the journal and the report.

    Attributes
    ----------
    diagnostics : Mapping[str, float]
        Finite numbers by name.
    notes : tuple[str, ...]
        Plain sentences that the user should read, e.g. that a part did not learn.
    pictures : tuple[Picture, ...]
        Images drawn in this round.
    """

    diagnostics: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()

    def joined(self, other: "Aggregated") -> "Aggregated":
        """Return what both say."""
        return Aggregated(
            {**self.diagnostics, **other.diagnostics},
            self.notes + other.notes,
            self.pictures + other.pictures,
        )


class ClientHalf(ABC, Generic[State, Downlink, Uplink]):
    """What a method does on a device.

    Attributes
    ----------
    downlink : type[Downlink] | None
        Payload the device may receive; a round without one brings ``None``.
    exchanges : bool
        Whether activations are exchanged within a round; the constructor then takes the
        ``SplitSettings`` after the method's own, and a node may carry several clients.
    adapts : bool
        Whether adapters on a frozen foundation model are trained, with a private list of
        answers per client; the constructor then takes the ``AdapterSettings`` after the
        method's own.
    tests_aggregate : bool
        Whether clients test what aggregation made, asked once more after it, every
        ``evaluate-every`` rounds and after the last; otherwise each tests what it trained.
    """

    downlink: ClassVar[type[Payload] | None]
    exchanges: ClassVar[bool] = False
    adapts: ClassVar[bool] = False
    tests_aggregate: ClassVar[bool] = False

    def foundation(self, backbone: Backbone) -> Foundation:
        """Return what the server must know of the model that is adapted, by methods that do."""
        raise TypeError(f"{type(self).__name__} adapts no {type(backbone).__name__}")

    @abstractmethod
    def start(self, device: Device) -> State:
        """Return the state before the first round."""

    @abstractmethod
    def train(self, device: Device, state: State, downlink: Downlink | None) -> Trained[Uplink]:
        """Learn from the client's training samples, changing ``state`` in place."""

    @abstractmethod
    def evaluate(
        self, device: Device, state: State, downlink: Downlink | None
    ) -> Evaluation | None:
        """Test the client's model on the client's test samples.

        ``None`` where the server evaluates, because it holds the rest of the network.
        """


class ServerHalf(ABC, Generic[State, Downlink, Uplink]):
    """What a method does on the server.

    Attributes
    ----------
    uplink : type[Uplink] | None
        Payload that every reply must carry; ``None`` where nothing is uploaded.
    needs_generator : bool
        Whether the constructor takes an ``ImageGenerator`` after the settings.
    exchanges : bool
        Whether activations are exchanged within a round; the constructor then takes the
        ``SplitSettings`` after the run's.
    adapts, tests_aggregate : bool
        As of the client half; the constructor of one that adapts takes the
        ``AdapterSettings`` after the run's.
    """

    uplink: ClassVar[type[Payload] | None]
    needs_generator: ClassVar[bool]
    exchanges: ClassVar[bool] = False
    adapts: ClassVar[bool] = False
    tests_aggregate: ClassVar[bool] = False

    @abstractmethod
    def start(self, task: Task) -> State:
        """Return the state before the first round.

        Raises
        ------
        ModelError
            If the clients' common task does not suit the method.
        """

    @abstractmethod
    def downlink(self, state: State, partition: int) -> Downlink | None:
        """Return what one client receives this round; one object may serve many clients."""

    def check(self, partition: int, uplink: Uplink) -> None:
        """Refuse an upload that fits its schema but not the method; by default accept all.

        Raises
        ------
        WireError
            Naming payload, field, expected and got; the client then counts as failed.
        """

    def uploads(self, round_number: int) -> bool:  # noqa: ARG002
        """Tell whether replies of a round carry the uplink payload; by default all do."""
        return True

    def resolved(self) -> Mapping[str, float | str]:
        """Return what settings left at ``"auto"`` came to, by their names in the config."""
        return {}

    @abstractmethod
    def aggregate(
        self, state: State, round_number: int, uplinks: Mapping[int, Uplink]
    ) -> Aggregated:
        """Take in the replies by partition, changing ``state`` in place.

        ``uplinks`` is sorted by partition and may be empty.
        """
