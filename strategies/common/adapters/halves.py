"""Methods that train adapters on a frozen foundation model, each client with answers of its own."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, TypeVar, final

import torch
from torch import Tensor, nn

from strategies.common.adapters.answering import evaluate
from strategies.common.adapters.backbone import Backbone
from strategies.common.adapters.export import Exported
from strategies.common.adapters.heads import private_head
from strategies.common.adapters.learning import Tuning, tune
from strategies.common.adapters.presentation import LOSSES, MEASUREMENT, MOVES, SHARED
from strategies.common.adapters.reading import Batch, Reader
from strategies.common.agreed import Need
from strategies.common.device import AdapterDevice
from strategies.common.method import (
    AggregatingServerHalf,
    ClientHalf,
    Downlink,
    MethodSettings,
    State,
    Uplink,
)
from strategies.common.presentation import Presentation, Setting
from strategies.common.round import Evaluation, Trained
from strategies.common.samples import Samples
from strategies.common.task import Foundation, Task
from strategies.common.tested import Tested

Logits = Callable[[Batch], Tensor]


@dataclass
class HeadState:
    """What stays on a device, at the least.

    Attributes
    ----------
    head : nn.Sequential
        The client's classifier over its own answers.
    """

    head: nn.Sequential


AnyHeadState = TypeVar("AnyHeadState", bound=HeadState)


class AdapterServerHalf(
    AggregatingServerHalf[MethodSettings, State, Downlink, Uplink],
    Generic[MethodSettings, State, Downlink, Uplink],
):
    """The server half of such a method; every client has classes, its answers, of its own."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.ADAPTERS})
    tested: ClassVar[Tested] = Tested.AGGREGATED

    @classmethod
    def presentation(cls, settings: Mapping[str, Setting]) -> Presentation:  # noqa: ARG003
        """State how answers count, and that what aggregation made gives them."""
        models = {"shared": SHARED}
        return Presentation(
            measurement=MEASUREMENT,
            models=models,
            headline=("shared",),
            measured=MOVES,
            losses=LOSSES,
        )


class AdapterClientHalf(
    ClientHalf[MethodSettings, AdapterDevice, AnyHeadState, Downlink, Uplink],
    Generic[MethodSettings, AnyHeadState, Downlink, Uplink],
):
    """A client half that adapts a frozen model to a client's own list of answers.

    A method says what is adapted, what moves in a round, what a batch teaches, what is sent,
    which models a client has then and which one it may take away. Epochs, optimiser, head and
    tests are the same for all.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.ADAPTERS})
    tested: ClassVar[Tested] = Tested.AGGREGATED

    @abstractmethod
    def foundation(self, backbone: Backbone) -> Foundation:
        """Return what the server must know of the model that is adapted."""

    @abstractmethod
    def tuning(
        self, device: AdapterDevice, state: AnyHeadState, downlink: Downlink | None
    ) -> AbstractContextManager[Tuning[Uplink]]:
        """Return what this client does in this round, for as long as it is attached.

        Raises
        ------
        WireError
            If what came down does not fit.
        """

    @abstractmethod
    def models(
        self, device: AdapterDevice, state: AnyHeadState, downlink: Downlink | None
    ) -> AbstractContextManager[Mapping[str, Logits]]:
        """Return the client's models by name, for as long as they are attached.

        Each maps a batch to (batch, answers). The first is the one whose accuracy counts; how
        the others do stands beside it.

        Raises
        ------
        WireError
            If what came down does not fit.
        """

    @abstractmethod
    def exported(self, state: AnyHeadState, task: Task) -> Exported:
        """Return the adapters that a client takes away, as it last trained them.

        Raises
        ------
        ModelError
            If it has none yet.
        """

    @final
    def private_head(self, device: AdapterDevice) -> nn.Sequential:
        """Build a fresh head for a client's answers."""
        return private_head(device, self.provided.adapters)

    @final
    def train(
        self, device: AdapterDevice, state: AnyHeadState, downlink: Downlink | None
    ) -> Trained[Uplink]:
        """Run the local epochs.

        Raises
        ------
        WireError
            If what came down does not fit.
        ModelError
            If training diverged, or an adapter did not move.
        """
        with self.tuning(device, state, downlink) as tuning:
            return tune(device, self.provided.adapters, state.head, tuning)

    @final
    def evaluate(
        self, device: AdapterDevice, state: AnyHeadState, downlink: Downlink | None
    ) -> Evaluation:
        """Answer the client's test questions with each of its models."""
        reader = Reader(device.backbone, device.test, device.torch_device)
        with self.models(device, state, downlink) as models:
            found = {name: evaluate(reader, logits) for name, logits in models.items()}
        first = next(iter(found.values()))
        count = len(device.test)
        return replace(first, scores={name: one.correct / count for name, one in found.items()})

    @final
    @torch.no_grad()
    def answers(
        self,
        device: AdapterDevice,
        state: AnyHeadState,
        downlink: Downlink | None,
        samples: Samples,
    ) -> Tensor:
        """Answer some questions with the model whose accuracy counts.

        Returns
        -------
        Tensor
            (samples,) int64 positions in the client's list of answers.
        """
        reader = Reader(device.backbone, samples, device.torch_device)
        with self.models(device, state, downlink) as models:
            logits = next(iter(models.values()))
            return torch.cat([logits(batch).argmax(1).cpu() for batch in reader.ordered()])


AnyAdapterClientHalf = AdapterClientHalf[Any, Any, Any, Any]
