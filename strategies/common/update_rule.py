"""How parameters move along their gradients: torch's own functions, and the moments they keep.

``torch.optim.Optimizer`` imports torch's compiler at its first use, which costs every process
that trains more than a CPU-second and 150 MB, and a deployed device starts one per message.
The functions behind the class cost nothing and give the same numbers.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

_BETAS = (0.9, 0.999)
_EPSILON = 1e-8


@final
@dataclass(frozen=True)
class Group:
    """Parameters that share a weight decay.

    Attributes
    ----------
    parameters : Sequence[nn.Parameter]
        What moves.
    weight_decay : float
        Factor of the weights that is taken off them, at least 0.
    """

    parameters: Sequence[nn.Parameter]
    weight_decay: float = 0.0


class UpdateRule(ABC):
    """Moves parameters that have a gradient; the others stay as they are.

    Parameters
    ----------
    groups : Sequence[Group]
        No parameter belongs to two of them.

    Attributes
    ----------
    moments : dict[nn.Parameter, dict[str, Tensor]]
        What the rule remembers of each parameter, by torch's names.

    Raises
    ------
    ValueError
        If a parameter is named twice.
    """

    def __init__(self, groups: Sequence[Group]) -> None:
        self._groups = groups
        self._parameters = [p for group in groups for p in group.parameters]
        self.moments: dict[nn.Parameter, dict[str, Tensor]] = {}
        if len(set(self._parameters)) != len(self._parameters):
            raise ValueError("update rule: expected every parameter once, got one twice")

    @final
    def forget_gradients(self) -> None:
        """Begin a step anew."""
        for parameter in self._parameters:
            parameter.grad = None

    @final
    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Move every parameter that has a gradient."""
        for group in self._groups:
            moving = [p for p in group.parameters if p.grad is not None]
            gradients = [p.grad for p in moving if p.grad is not None]
            self._move(moving, gradients, group.weight_decay, learning_rate)

    @final
    def descend(self, loss: Tensor, learning_rate: float) -> None:
        """Take one step down a loss ()."""
        self.forget_gradients()
        loss.backward()  # type: ignore[no-untyped-call]
        self.step(learning_rate)

    @abstractmethod
    def _move(
        self,
        moving: list[nn.Parameter],
        gradients: list[Tensor],
        weight_decay: float,
        learning_rate: float,
    ) -> None:
        """Move parameters in place, and keep their moments."""


@final
class SGD(UpdateRule):
    """Stochastic gradient descent, as ``torch.optim.SGD`` takes it.

    Parameters
    ----------
    groups : Sequence[Group]
        What moves; the decay is added to the gradient.
    momentum : float
        Part of the velocity that stays at each step, in [0, 1).
    """

    def __init__(self, groups: Sequence[Group], momentum: float = 0.0) -> None:
        super().__init__(groups)
        self._momentum = momentum

    def _move(
        self,
        moving: list[nn.Parameter],
        gradients: list[Tensor],
        weight_decay: float,
        learning_rate: float,
    ) -> None:
        name = "momentum_buffer"
        buffers = [self.moments.get(p, {}).get(name) for p in moving] if self._momentum else []
        sgd(
            [*moving], gradients, buffers, weight_decay=weight_decay, momentum=self._momentum,
            lr=learning_rate, dampening=0.0, nesterov=False, maximize=False,
        )  # fmt: skip
        for parameter, buffer in zip(moving, buffers, strict=False):
            if buffer is not None:
                self.moments[parameter] = {name: buffer}


@final
class Adam(UpdateRule):
    """Adam, as ``torch.optim.AdamW`` takes it; without weight decay it is ``torch.optim.Adam``.

    Parameters
    ----------
    groups : Sequence[Group]
        What moves; the decay shrinks weights beside the step.
    betas : tuple[float, float]
        Part of the mean and of the square that stays at each step, each in [0, 1).
    fused : bool | None
        Whether one kernel does it all; ``None`` leaves it to torch.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        *,
        betas: tuple[float, float] = _BETAS,
        fused: bool | None = None,
    ) -> None:
        super().__init__(groups)
        self._betas = betas
        self._fused = fused

    def _move(
        self,
        moving: list[nn.Parameter],
        gradients: list[Tensor],
        weight_decay: float,
        learning_rate: float,
    ) -> None:
        moments = [self._moments_of(p) for p in moving]
        adamw(
            [*moving], gradients,
            [m["exp_avg"] for m in moments], [m["exp_avg_sq"] for m in moments], [],
            [m["step"] for m in moments],
            fused=self._fused, amsgrad=False, beta1=self._betas[0], beta2=self._betas[1],
            lr=learning_rate, weight_decay=weight_decay, eps=_EPSILON, maximize=False,
        )  # fmt: skip

    def _moments_of(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        if parameter not in self.moments:
            # Steps are counted on the CPU wherever the parameters are, but by the fused kernel.
            where = parameter.device if self._fused else "cpu"
            self.moments[parameter] = {
                "step": torch.zeros((), dtype=torch.float32, device=where),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }
        return self.moments[parameter]
