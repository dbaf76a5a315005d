"""What a client half may ask of its stream to the server, apart from how it travels."""

from typing import Protocol

from torch import Tensor

from strategies.common.split.plan import Plan
from strategies.common.split.wire.frames import FrameSpec, Gradients, Skipped, Split


class Lane(Protocol):
    """One cohort's exchange of this node: one frame up, one answer down, step by step.

    At most one frame is on its way: ``send`` and ``receive`` take turns.
    """

    def send(self, step: int, tensors: tuple[Tensor, ...]) -> None:
        """Hand over a step's activations without waiting for the answer.

        Parameters
        ----------
        step : int
            Step of the run, from 1.
        tensors : tuple[Tensor, ...]
            In the order of the spec, each (clients, batch, *shape).

        Raises
        ------
        WireError
            If a value is not finite or out of bounds.
        """
        ...

    def receive(self) -> Gradients | Skipped:
        """Wait for the answer to the frame sent last.

        Raises
        ------
        ExchangeError
            If the server refuses, or does not answer in time.
        """
        ...


class Link(Protocol):
    """How one node reaches the server within one round."""

    @property
    def plan(self) -> Plan:
        """Who exchanges in this round, and how often."""
        ...

    def lane(self, cohort: int, spec: FrameSpec) -> Lane:
        """Open one cohort's exchange.

        Raises
        ------
        ExchangeError
            If the server cannot be reached or refuses.
        """
        ...

    def survey(self, client: int, split: Split, activations: Tensor, labels: Tensor) -> None:
        """Send un-augmented samples of one logical client for the server's evaluation.

        Parameters
        ----------
        client : int
            Logical client.
        split : str
            What the samples serve.
        activations : Tensor
            (samples, *shape) float32; any number of samples.
        labels : Tensor
            (samples,) int64.
        """
        ...

    def close(self) -> None:
        """End the exchange; every lane is closed."""
        ...
