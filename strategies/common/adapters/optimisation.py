"""How adapters and heads are trained: AdamW with a schedule over the whole run."""

from collections.abc import Iterable
from typing import final

import torch
from torch import nn

from strategies.common.adapters.settings import AdapterSettings
from strategies.common.device import Device

# As in FedDAT's release.
_BETAS = (0.9, 0.98)
_EPSILON = 1e-8


@final
class Optimiser:
    """AdamW; a step moves the parameters that its loss reaches, and no others.

    Moments begin anew every round, as in FedDAT's release: nothing of them need be kept.

    Parameters
    ----------
    parameters : Iterable[nn.Parameter]
        What may move.
    settings : AdapterSettings
        Step size, decay and schedule.
    device : Device
        Which round of how many it is.
    steps : int
        Batches per round.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        settings: AdapterSettings,
        device: Device,
        steps: int,
    ) -> None:
        moving = list(parameters)
        # Biases and norms are vectors; weights have more axes.
        groups = [
            {"params": [p for p in moving if p.ndim > 1], "weight_decay": settings.weight_decay},
            {"params": [p for p in moving if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self._adamw = torch.optim.AdamW(
            groups, lr=settings.learning_rate, betas=_BETAS, eps=_EPSILON
        )
        self._settings = settings
        self._step = (device.round_number - 1) * steps
        self._total = device.settings.rounds * steps

    def step(self, loss: torch.Tensor) -> None:
        """Take one step down a loss; parameters that it does not depend on stay as they are.

        Two losses of one batch share a rate: call :meth:`advance` between batches.
        """
        self._adamw.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        rate = rate_at(self._settings, self._step, self._total)
        for group in self._adamw.param_groups:
            group["lr"] = rate
        self._adamw.step()

    def advance(self) -> None:
        """Go on to the next batch's rate."""
        self._step += 1


def rate_at(settings: AdapterSettings, step: int, total_steps: int) -> float:
    """Return the step size.

    Parameters
    ----------
    settings : AdapterSettings
        Peak, warm-up and form.
    step : int
        Batches before this one in the whole run, from 0.
    total_steps : int
        Batches of the whole run.
    """
    rising = round(settings.warmup * total_steps)
    if step < rising:
        return settings.learning_rate * (step + 1) / rising
    if settings.schedule == "constant":
        return settings.learning_rate
    left = max(total_steps - step, 0)
    return settings.learning_rate * left / max(total_steps - rising, 1)
