"""How adapters and heads are trained: AdamW with a schedule over the whole run."""

from collections.abc import Iterable

from torch import nn

from strategies.common.adapters.settings import AdapterSettings
from strategies.common.device import Device
from strategies.common.optimiser import Optimiser
from strategies.common.update_rule import Adam, Group

# As in FedDAT's release.
_BETAS = (0.9, 0.98)


def adapter_optimiser(
    parameters: Iterable[nn.Parameter], settings: AdapterSettings, device: Device, steps: int
) -> Optimiser:
    """Build AdamW at the place of its schedule where a round begins.

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
    moving = list(parameters)
    # Biases and norms are vectors; weights have more axes.
    groups = [
        Group([p for p in moving if p.ndim > 1], settings.weight_decay),
        Group([p for p in moving if p.ndim <= 1]),
    ]
    adamw = Adam(groups, betas=_BETAS)
    total = device.settings.rounds * steps
    first = (device.round_number - 1) * steps
    return Optimiser(adamw, lambda batch: rate_at(settings, batch, total), first)


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
