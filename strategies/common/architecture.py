"""What a client's own model holds, as far as whoever averages such models must know it."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, final

import torch
from torch import Tensor, nn


@final
@dataclass(frozen=True)
class Architecture:
    """The numbers of a model, without their values.

    Attributes
    ----------
    digest : str
        SHA-256 of the names and shapes of all of them, in hexadecimal: models with the same one
        can be averaged. Empty where there is no such model.
    parameters : int
        Numbers that are learnt.
    statistics : int
        Numbers that are measured, as the running means and variances of batch normalisation.
    name : str
        What clients call it, which tells nothing of what it holds.
    variances : int
        Of the measured numbers the last ones, which are never negative.
    shapes : tuple[torch.Size, ...]
        Of its parameters, where the model itself is at hand.
    """

    digest: str = ""
    parameters: int = 0
    statistics: int = 0
    name: str = ""
    variances: int = 0
    shapes: tuple[torch.Size, ...] = field(default=(), compare=False, repr=False)

    @property
    def key(self) -> str:
        """Name of those alike; lengths are in it, since a digest is what a device says."""
        return f"{self.digest}-{self.parameters}-{self.statistics}-{self.variances}"

    def fault_in(self, statistics: Tensor) -> str | None:
        """Return what no such model can have measured, or ``None``.

        Whoever computes with a negative variance gets no number at all.
        """
        variances = statistics[self.statistics - self.variances :]
        if not len(variances) or (lowest := float(variances.min())) >= 0:
            return None
        return f"statistics: expected variances of at least 0, got {lowest:g}"

    @staticmethod
    def of(model: nn.Module, name: str = "") -> "Architecture":
        """Return what a model holds; it may be on torch's meta device."""
        shapes = [f"{name}:{tuple(value.shape)};" for name, value in model.state_dict().items()]
        return Architecture(
            hashlib.sha256("".join(shapes).encode()).hexdigest(),
            sum(value.numel() for value in model.parameters()),
            sum(value.numel() for value in statistics_of(model)),
            name,
            sum(value.numel() for name, value in model.named_buffers() if _is_variance(name)),
            tuple(parameter.shape for parameter in model.parameters()),
        )

    @staticmethod
    def planned(build: Callable[[], nn.Module]) -> "Architecture":
        """Return what a model holds once it is built; here it takes no memory or randomness."""
        with torch.device("meta"):
            return Architecture.of(build())


NO_MODEL: Final = Architecture()


def statistics_of(model: nn.Module) -> Iterator[Tensor]:
    """Yield what a model measures while it trains, variances last, but for counts of batches.

    These are each client's own.
    """
    for wanted in (False, True):
        for name, value in model.named_buffers():
            if value.is_floating_point() and _is_variance(name) is wanted:
                yield value


def _is_variance(name: str) -> bool:
    """Tell whether a buffer is one by which batch normalisation divides."""
    return name.rpartition(".")[2] == "running_var"
