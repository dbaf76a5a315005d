"""What all device halves with adapters have in common: they answer questions, and are tested."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import ClassVar, TypeVar, final

import torch
from torch import Tensor

from strategies.common.adapters.answering import evaluate
from strategies.common.adapters.reading import Batch, Reader
from strategies.common.device import Device
from strategies.common.method import ClientHalf, Evaluation
from strategies.common.samples import Samples
from strategies.common.wire import Payload

State = TypeVar("State")
Uplink = TypeVar("Uplink", bound=Payload)
Downlink = TypeVar("Downlink", bound=Payload)
Logits = Callable[[Batch], Tensor]


class AdapterClientHalf(ClientHalf[State, Downlink, Uplink]):
    """A client half that adapts a frozen model to a client's own list of answers."""

    adapts: ClassVar[bool] = True
    tests_aggregate: ClassVar[bool] = True

    @abstractmethod
    def models(
        self, device: Device, state: State, downlink: Downlink | None
    ) -> AbstractContextManager[Mapping[str, Logits]]:
        """Return the client's models by name, for as long as they are attached.

        Each maps a batch to (batch, answers). The first is the one whose accuracy counts; how
        the others do stands beside it.

        Raises
        ------
        WireError
            If what came down does not fit.
        """

    @final
    def evaluate(self, device: Device, state: State, downlink: Downlink | None) -> Evaluation:
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
        self, device: Device, state: State, downlink: Downlink | None, samples: Samples
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
