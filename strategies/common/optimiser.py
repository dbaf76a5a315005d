"""The optimiser of a run: a step size that follows a schedule, and moments that survive rounds."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, final

from torch import Tensor, nn

from strategies.common.device import Device
from strategies.common.samples import num_batches
from strategies.common.settings import RunSettings
from strategies.common.update_rule import SGD, Adam, Group, UpdateRule

Schedule = Literal["constant", "cosine", "step"]

# He et al., "Deep Residual Learning for Image Recognition" (CVPR 2016, section 4.2): the step
# size is divided by 10 after a half and after three quarters of the steps.
_STEP_DOWN_AT = (0.5, 0.75)


@final
class Optimiser:
    """Takes steps down a loss; parameters that a loss does not reach stay as they are.

    Parameters
    ----------
    rule : UpdateRule
        Moves the parameters.
    rate : Callable[[int], float]
        Step size by number of the batch in the whole run, from 0.
    first : int
        Number of the first batch.
    clipped : Sequence[Sequence[nn.Parameter]]
        Groups whose gradients are clipped, each on its own.
    max_norm : float
        Largest gradient norm of such a group.
    """

    def __init__(
        self,
        rule: UpdateRule,
        rate: Callable[[int], float],
        first: int,
        clipped: Sequence[Sequence[nn.Parameter]] = (),
        max_norm: float = math.inf,
    ) -> None:
        self.rule = rule
        self._rate = rate
        self._batch = first
        self._clipped = clipped
        self._max_norm = max_norm

    def step(self, loss: Tensor) -> None:
        """Take one step; several losses of one batch share a step size."""
        self.rule.forget_gradients()
        loss.backward()  # type: ignore[no-untyped-call]
        for group in self._clipped:
            nn.utils.clip_grad_norm_(group, self._max_norm)
        self.rule.step(self._rate(self._batch))

    def advance(self) -> None:
        """Go on to the next batch's step size."""
        self._batch += 1


def general_optimiser(
    device: Device,
    groups: Sequence[Iterable[nn.Module]],
    max_norm: float | None = None,
    samples: int | None = None,
) -> Optimiser:
    """Build what the general settings ask for, at the place of its schedule where a round begins.

    Parameters
    ----------
    device : Device
        Gives settings, samples and round.
    groups : Sequence[Iterable[nn.Module]]
        Modules to train; gradients are clipped group by group.
    max_norm : float | None
        Largest gradient norm of a group; ``None`` does not clip.
    samples : int | None
        How many are learnt from; ``None`` for all of the client's.
    """
    run = device.settings
    parameters = [[p for module in group for p in module.parameters()] for group in groups]
    count, fixed = samples or len(device.train), run.batches == "fixed"
    per_round = run.local_epochs * num_batches(count, run.batch_size, fixed=fixed)
    return Optimiser(
        _rule(run, [p for group in parameters for p in group]),
        lambda batch: scheduled(run.learning_rate, run.schedule, batch, run.rounds * per_round),
        (device.round_number - 1) * per_round,
        () if max_norm is None else parameters,
        math.inf if max_norm is None else max_norm,
    )


def scheduled(base: float, schedule: Schedule, batch: int, total: int) -> float:
    """Return the step size of a batch.

    Parameters
    ----------
    base : float
        Step size of the first batch.
    schedule : str
        ``"constant"``; ``"cosine"`` falls to 0 over the run by half a cosine; ``"step"`` falls
        to a tenth after half of it and to a hundredth after three quarters.
    batch : int
        Batches of the whole run before this one.
    total : int
        Batches of the whole run.
    """
    if schedule == "cosine":
        return base * (1 + math.cos(math.pi * min(batch / total, 1.0))) / 2
    if schedule == "step":
        return float(base * 0.1 ** sum(batch >= part * total for part in _STEP_DOWN_AT))
    return base


def restore_moments(rule: UpdateRule, state: object, moments: Mapping[str, Tensor]) -> None:
    """Give a rule the moments that an earlier round left for parameters of a state.

    Parameters
    ----------
    rule : UpdateRule
        Fresh.
    state : object
        Dataclass whose modules hold the parameters, or such modules by the names of its fields.
    moments : Mapping[str, Tensor]
        As :func:`kept_moments` returned them.
    """
    parameters = _named(state)
    for key, value in moments.items():
        name, _, moment = key.rpartition("/")
        if name in parameters:
            slot = rule.moments.setdefault(parameters[name], {})
            # Adam counts its steps on the CPU wherever the parameters are.
            slot[moment] = (
                value.clone() if not value.ndim else value.to(parameters[name], copy=True)
            )


def kept_moments(rule: UpdateRule, state: object) -> dict[str, Tensor]:
    """Return the moments of a state's parameters, by ``<field>/<parameter>/<moment>``.

    Those of parameters that live for one round only, outside of the state, are left out.
    """
    return {
        f"{name}/{moment}": value
        for name, parameter in _named(state).items()
        for moment, value in rule.moments.get(parameter, {}).items()
    }


def _rule(run: RunSettings, parameters: Sequence[nn.Parameter]) -> UpdateRule:
    groups = [Group(parameters, run.weight_decay)]
    if run.optimiser == "adamw":
        return Adam(groups, betas=(run.momentum or 0.9, 0.999))
    return SGD(groups, run.momentum)


def _named(state: object) -> dict[str, nn.Parameter]:
    held = state if isinstance(state, Mapping) else vars(state)
    return {
        f"{field}/{name}": parameter
        for field, value in held.items()
        if isinstance(value, nn.Module)
        for name, parameter in value.named_parameters()
    }
