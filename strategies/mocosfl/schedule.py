"""Step sizes as pure functions of how far a run is."""

import math

from strategies.mocosfl.settings import Version


def decayed(base: float, version: Version, step: int, total_steps: int) -> float:
    """Return the server's step size.

    Parameters
    ----------
    base : float
        Step size of the first step.
    version : str
        ``"v2"`` falls to 0 by half a cosine, ``"v1"`` to a tenth at 60 and again at 80 %.
    step : int
        Step of the run, from 1.
    total_steps : int
        Steps of the whole run.
    """
    if version == "v2":
        return cosine(base, step, total_steps)
    done = 10 * (step - 1)
    return float(base * 0.1 ** ((done >= 6 * total_steps) + (done >= 8 * total_steps)))


def cosine(base: float, step: int, total_steps: int) -> float:
    """Return a step size that falls from ``base`` to 0 over the run by half a cosine."""
    return base * (1 + math.cos(math.pi * min((step - 1) / total_steps, 1))) / 2


def warmup(step: int, warmup_steps: int) -> float:
    """Return the part of a step size that is used while a run warms up, in (0, 1].

    Parameters
    ----------
    step : int
        Step of the run, from 1.
    warmup_steps : int
        Step with which all of it is used; 0 for no warm-up.
    """
    return min(step / warmup_steps, 1) if warmup_steps else 1.0


def wave(base: float, steps_taken: int, half_period: int) -> float:
    """Return a step size that swings between ``base`` and 0 by a cosine.

    The reference code counts a client's batches against a period meant for passes over its
    data. It has 200 passes with 100 clients, so that 400 steps are one wave.

    Parameters
    ----------
    base : float
        Step size of the client's first step.
    steps_taken : int
        Steps that the client has taken before this one.
    half_period : int
        Steps from the top of the wave to 0.
    """
    return base * (1 + math.cos(math.pi * steps_taken / half_period)) / 2


def passes(total_steps: int, num_samples: int, batch: int) -> int:
    """Return how often a run passes over a client's data, at least once.

    Parameters
    ----------
    total_steps : int
        Steps of the whole run.
    num_samples : int
        The client's training samples.
    batch : int
        Samples per step.
    """
    return max(total_steps // max(num_samples // batch, 1), 1)
