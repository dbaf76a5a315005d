"""Methods of one message per round: clients with models of their own, trained batch by batch.

A method says what is learnt from a batch and what is sent after it; a fresh model, the local
epochs, the optimiser and the test are the same for all.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final, Generic, Protocol, TypeVar, cast, final

from torch import Tensor, nn
from torch.nn import functional

from strategies.common.classifiers import Classifier
from strategies.common.device import MessageDevice
from strategies.common.method import (
    AggregatingServerHalf,
    ClientHalf,
    Downlink,
    MethodSettings,
    State,
    Uplink,
)
from strategies.common.model import FeatureModel
from strategies.common.optimiser import general_optimiser, kept_moments, restore_moments
from strategies.common.payload import AnyKind, rules_of
from strategies.common.payloads import FeatureRows
from strategies.common.round import Evaluation, Trained
from strategies.common.training import BatchLosses, evaluate_scores, train_epochs

# Name of the score of what a client is tested by, where others are tested beside.
OWN: Final = "own"


@dataclass
class ModelState:
    """What stays on a device: its model, and the moments of its optimiser.

    Attributes
    ----------
    model : FeatureModel
        The client's own.
    moments : dict[str, Tensor]
        Of the parameters in this state, where the optimiser has any.
    """

    model: FeatureModel
    moments: dict[str, Tensor] = field(default_factory=dict, kw_only=True)

    def forget_moments(self, part: str) -> None:
        """Drop moments of parameters that are gone: ``"model/head."`` for those of the head."""
        kept = self.moments.items()
        self.moments = {name: moment for name, moment in kept if not name.startswith(part)}


AnyModelState = TypeVar("AnyModelState", bound=ModelState)


@final
@dataclass
class NoState:
    """Nothing survives a round."""


@final
@dataclass(frozen=True)
class LocalTraining(Generic[Uplink]):
    """What one client does in one round.

    Attributes
    ----------
    losses : BatchLosses
        Of a batch; ``"total"`` is minimised.
    uplink : Callable[[], Uplink | None]
        Called after the local epochs for what is sent.
    groups : Sequence[Sequence[nn.Module]]
        Modules to train; empty trains the state's model.
    max_norm : float | None
        Largest gradient norm of each group; ``None`` does not clip.
    rows : Tensor | None
        (learnt,) int64 of the training samples that are learnt from; ``None`` for all.
    """

    losses: BatchLosses
    uplink: Callable[[], Uplink | None] = lambda: None
    groups: Sequence[Sequence[nn.Module]] = ()
    max_norm: float | None = None
    rows: Tensor | None = None


class MessageClient(
    ClientHalf[MethodSettings, MessageDevice, AnyModelState, Downlink, Uplink],
    Generic[MethodSettings, AnyModelState, Downlink, Uplink],
):
    """A client that trains a model of its own.

    Attributes
    ----------
    state : type[ModelState]
        Class of its state; fields beside the model need defaults, or :meth:`start` be said.
    """

    state: ClassVar[type[Any]] = ModelState

    def start(self, device: MessageDevice) -> AnyModelState:
        """Return a fresh model."""
        return cast(AnyModelState, self.state(device.build_model()))

    @abstractmethod
    def local_training(
        self, device: MessageDevice, state: AnyModelState, downlink: Downlink | None
    ) -> LocalTraining[Uplink]:
        """Return what is learnt from a batch in this round, and what is sent after it."""

    def train(
        self, device: MessageDevice, state: AnyModelState, downlink: Downlink | None
    ) -> Trained[Uplink]:
        """Run the local epochs; moments of the state's parameters go on from the last round."""
        plan = self.local_training(device, state, downlink)
        groups = plan.groups or ((state.model,),)
        learnt = None if plan.rows is None else len(plan.rows)
        optimiser = general_optimiser(device, groups, plan.max_norm, learnt)
        restore_moments(optimiser.rule, state, state.moments)
        modules = [module for group in groups for module in group]
        losses = train_epochs(device, modules, plan.losses, optimiser, plan.rows)
        state.moments = kept_moments(optimiser.rule, state)
        return Trained(plan.uplink(), losses)

    def classifier(
        self,
        device: MessageDevice,
        state: AnyModelState,
        downlink: Downlink | None,
    ) -> Classifier:
        """Return what the client is tested by, and leaves with; by default the model's own head."""
        return state.model

    def others(
        self,
        device: MessageDevice,
        state: AnyModelState,
        downlink: Downlink | None,
    ) -> Mapping[str, nn.Module]:
        """Return models that are tested beside the client's, by the names of their scores."""
        return {}

    def sent_by(self, server: Mapping[str, Tensor], state: AnyModelState) -> Downlink | None:
        """Return what a server in some state sends for a test: rows by class, or an average.

        Parameters
        ----------
        server : Mapping[str, Tensor]
            State of the server half, as its checkpoint has it.
        state : ModelState
            The client's.
        """
        down = self.wire.down
        if down is None:
            return None
        if issubclass(down, FeatureRows):
            rows = down(server["rows"], server["labels"])
            return cast(Downlink, rows) if len(rows.labels) else None
        fields = {name: server.get(f"fields/{name}") for name in rules_of(down)}
        return None if None in fields.values() else cast(Downlink, down(**fields))

    def evaluate(
        self,
        device: MessageDevice,
        state: AnyModelState,
        downlink: Downlink | None,
    ) -> Evaluation:
        """Classify the test samples by :meth:`classifier`, and by whatever else is there."""
        classifier = self.classifier(device, state, downlink)
        own = evaluate_scores(device, classifier, classifier)
        others = self.others(device, state, downlink)
        if not others:
            return own
        right = {name: evaluate_scores(device, m, m).correct for name, m in others.items()}
        scores = {name: n / len(device.test) for name, n in {OWN: own.correct, **right}.items()}
        return replace(own, scores=scores)


class MessageServer(
    AggregatingServerHalf[MethodSettings, State, Downlink, Uplink],
    Generic[MethodSettings, State, Downlink, Uplink],
):
    """The server of clients that train models of their own.

    Attributes
    ----------
    state : type
        Class of its state, whose fields have defaults, or :meth:`start` is said.
    """

    state: ClassVar[type[Any]] = NoState

    def start(self) -> State:
        """Return the state without anything in it."""
        return cast(State, self.state())


class Sendable(Protocol):
    """A state of a server that goes down to all clients as it is."""

    def sent_as(self, kind: type[AnyKind]) -> AnyKind | None:
        """Return it as a payload, or ``None`` where there is nothing in it."""
        ...


SendableState = TypeVar("SendableState", bound=Sendable)


class SendingServer(
    MessageServer[MethodSettings, SendableState, Downlink, Uplink],
    Generic[MethodSettings, SendableState, Downlink, Uplink],
):
    """A server that sends what it keeps."""

    def broadcast(self, state: SendableState) -> Downlink | None:
        """Return what the state holds, where there is anything."""
        return state.sent_as(cast(type[Downlink], self.wire.down))


def label_loss(model: nn.Module) -> BatchLosses:
    """Return the plain loss: cross-entropy of a model's outputs to the labels."""

    def losses(inputs: Tensor, labels: Tensor) -> Mapping[str, Tensor]:
        return {"total": functional.cross_entropy(model(inputs), labels)}

    return losses
