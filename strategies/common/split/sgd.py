"""Stochastic gradient descent on flat weights, with its buffers in the caller's hands."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor


@final
@dataclass(frozen=True)
class SGD:
    """How weights move: momentum and weight decay as torch defines them.

    Values are those of ``torch.optim.SGD`` to the last bit. Buffers are tensors of the
    caller, so that a state can list them; a buffer of zeros stands for no step yet.

    Attributes
    ----------
    momentum : float
        Part of the velocity that stays at each step, in [0, 1); without momentum the
        velocity is neither read nor written.
    weight_decay : float
        Factor of the weights that is added to the gradient, at least 0.
    """

    momentum: float
    weight_decay: float

    def step(
        self, weights: Tensor, gradient: Tensor, velocity: Tensor, learning_rate: float
    ) -> None:
        """Move weights in place; every row is a model of its own.

        Parameters
        ----------
        weights : Tensor
            (models, weights) or any other shape; changed in place, outside of autograd.
        gradient : Tensor
            d loss / d weights, of the same shape; left as it is.
        velocity : Tensor
            Momentum buffer of the same shape; changed in place.
        learning_rate : float
            Step size.

        Raises
        ------
        ValueError
            If the shapes differ.
        """
        if not weights.shape == gradient.shape == velocity.shape:
            raise ValueError(
                f"SGD: expected weights, gradient and velocity of one shape, got "
                f"{tuple(weights.shape)}, {tuple(gradient.shape)} and {tuple(velocity.shape)}"
            )
        with torch.no_grad():
            slope = gradient
            if self.weight_decay:
                slope = slope.add(weights, alpha=self.weight_decay)
            if self.momentum:
                slope = velocity.mul_(self.momentum).add_(slope)
            weights.add_(slope, alpha=-learning_rate)
