"""The contract of a method: a client half, a server half and the payloads between them.

Halves know tensors and dataclasses only. Flower's types stay in ``client_app`` and
``server_app``, which carry payloads, keep states and count bytes for every method alike. A
state is a dataclass of modules, tensors and mappings of tensors that lists all that survives a
round; ``train`` and ``aggregate`` change it in place, and halves themselves keep nothing.

A method derives from the halves of its kind: ``message`` for one message per round,
``split.halves`` where activations are exchanged within a round, ``adapters.halves`` where
adapters on a frozen model are trained.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from strategies.common.agreed import Agreed, Need
from strategies.common.architecture import Architecture
from strategies.common.magnitudes import Size, sizes_of
from strategies.common.payload import Payload
from strategies.common.presentation import Presentation, Setting
from strategies.common.private_counts import class_counts_in
from strategies.common.provided import Provided
from strategies.common.round import Aggregated, Evaluation, Phase, Reply, Trained
from strategies.common.settings import Settings
from strategies.common.tested import Tested

MethodSettings = TypeVar("MethodSettings", bound=Settings)
State = TypeVar("State")
Downlink = TypeVar("Downlink", bound=Payload)
Uplink = TypeVar("Uplink", bound=Payload)
AnyDevice = TypeVar("AnyDevice")


class Half(ABC, Generic[MethodSettings]):
    """What both halves of a method have in common.

    Parameters
    ----------
    settings : MethodSettings
        The method's own.
    provided : Provided
        What it declared to need.

    Attributes
    ----------
    needs : frozenset[Need]
        What it asks for; what its base classes need is added to it.
    wire : Phase
        The payloads of every round; :meth:`phase` where they change.
    tested : Tested
        Which model is tested, and by whom, unless settings decide; alike in both halves.
    """

    needs: ClassVar[frozenset[Need]] = frozenset()
    wire: ClassVar[Phase] = Phase()
    tested: ClassVar[Tested] = Tested.TRAINED

    def __init__(self, settings: MethodSettings, provided: Provided) -> None:
        self.settings = settings
        self.provided = provided

    @classmethod
    def all_needs(cls) -> frozenset[Need]:
        """Return what this class and its bases need."""
        return frozenset(need for base in cls.__mro__ for need in vars(base).get("needs", ()))

    @classmethod
    def reads_open_data(cls, settings: MethodSettings) -> bool:  # noqa: ARG003
        """Tell whether this half learns from open data under some settings."""
        return Need.OPEN_DATA in cls.all_needs()

    @property
    def agreed(self) -> Agreed:
        """What both sides know."""
        return self.provided.agreed

    def phase(self, round_number: int) -> Phase:  # noqa: ARG002
        """Return the payloads of a round; both halves of a method must say the same."""
        return self.wire

    def testing(self) -> Tested:
        """Return which model is tested, and by whom: :attr:`tested`, unless settings decide."""
        return self.settings.testing(self.tested)


class ClientHalf(Half[MethodSettings], Generic[MethodSettings, AnyDevice, State, Downlink, Uplink]):
    """What a method does on a device."""

    @classmethod
    def tells_class_counts(cls, settings: MethodSettings) -> str:
        """Say how the server learns class counts from what travels, and what to do about it.

        Empty where it does not; otherwise the method is refused with ``share-class-counts=false``.
        By default the fields of ``wire`` tell.
        """
        return class_counts_in(cls.wire.up, settings)

    @abstractmethod
    def start(self, device: AnyDevice) -> State:
        """Return the state before the first round."""

    @abstractmethod
    def train(self, device: AnyDevice, state: State, downlink: Downlink | None) -> Trained[Uplink]:
        """Learn from the client's training samples, changing ``state`` in place."""

    @abstractmethod
    def evaluate(
        self, device: AnyDevice, state: State, downlink: Downlink | None
    ) -> Evaluation | None:
        """Test the client's model on the client's test samples.

        ``None`` where the server evaluates, because it holds the rest of the network.
        """


class ServerHalf(Half[MethodSettings], Generic[MethodSettings, State, Downlink]):
    """What a method of any kind does on the server: it keeps a state and sends from it."""

    @abstractmethod
    def start(self) -> State:
        """Return the state before the first round; the task is agreed by then.

        Raises
        ------
        ModelError
            If the clients' common task does not suit the method.
        """

    def broadcast(self, state: State) -> Downlink | None:  # noqa: ARG002
        """Return what goes down to every client alike; it is packed once a round."""
        return None

    def shared(self, state: State, architecture: Architecture) -> Downlink | None:  # noqa: ARG002
        """Return what clients with models of one architecture receive; packed once for all these.

        Asked for where nothing goes to all.
        """
        return None

    def personal(self, state: State, partition: int) -> Downlink | None:  # noqa: ARG002
        """Return what one client receives, asked for where nothing goes to all or to its like."""
        return None

    def gone_back(self, state: State) -> None:
        """Take note that a run went back: clients may have lost states of the rounds before.

        By default nothing depends on these. Changes ``state`` in place.
        """

    def check_clients(self, architectures: Mapping[int, Architecture]) -> None:
        """Refuse clients that the method cannot bring together; by default accept all.

        Parameters
        ----------
        architectures : Mapping[int, Architecture]
            What the clients' models hold that begin the run, by partition.

        Raises
        ------
        ModelError
            Naming expected and got, and what to do.
        """

    @classmethod
    def presentation(cls, settings: Mapping[str, Setting]) -> Presentation:  # noqa: ARG003
        """State what reports say of a run that its numbers do not tell; by default nothing.

        Parameters
        ----------
        settings : Mapping[str, Setting]
            The method's own table as a run's folder has it; one of an older run may lack keys.
        """
        return Presentation()

    def resolved(self) -> Mapping[str, float | str]:
        """Return what settings left at ``"auto"`` came to, by their names in the config.

        Devices are told with every order, so that both halves hold the same settings.
        """
        return {}


class AggregatingServerHalf(
    ServerHalf[MethodSettings, State, Downlink],
    Generic[MethodSettings, State, Downlink, Uplink],
):
    """The server of rounds that are one message and one reply."""

    def check(self, state: State, reply: Reply[Uplink]) -> None:  # noqa: ARG002
        """Refuse an upload that fits its payload but not the round or the client.

        By default, one that counts more samples than the client has.

        Parameters
        ----------
        state : State
            As what was sent came from it.
        reply : Reply[Uplink]
            One client's.

        Raises
        ------
        WireError
            Naming field, expected and got; the client then counts as failed.
        """
        reply.check_counted()

    def magnitudes(self, state: State, reply: Reply[Uplink]) -> Mapping[str, Size]:  # noqa: ARG002
        """Return how large an upload is, by field, to be compared with the round's others.

        By default the size of every floating-point field in itself. A method whose fields are
        changes of what it sent says so: ``sizes_of(reply.uplink, {"adapter": state.shared})``.

        Parameters
        ----------
        state : State
            As what was sent came from it.
        reply : Reply[Uplink]
            One client's.
        """
        return sizes_of(reply.uplink)

    @abstractmethod
    def aggregate(
        self, state: State, round_number: int, replies: Sequence[Reply[Uplink]]
    ) -> Aggregated:
        """Take in the replies that carry an upload, changing ``state`` in place.

        They are sorted by partition; there may be none.
        """


AnyClientHalf = ClientHalf[Any, Any, Any, Any, Any]
AnyServerHalf = ServerHalf[Any, Any, Any]
AnyAggregatingHalf = AggregatingServerHalf[Any, Any, Any, Any]
