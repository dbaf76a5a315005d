"""What settings left at 0 or ``"auto"`` come to.

The authors' two principles: the pool's batches are about 100 samples together, however many
clients there are, and clients are synchronised every 50 steps. Their published tables:

=======  =====  ====  =====  ============
clients  batch  pool  steps  steps in all
=======  =====  ====  =====  ============
5        20     5     50     100,000
100      1      100   50     100,000
200      1      100   50     100,000
1000     1      100   50     100,000
=======  =====  ====  =====  ============

With 20 clients they set a pool of 5 by hand; the batch of 20 follows from it. A run of
100,000 steps is one of ``rounds=2000``.
"""

from dataclasses import dataclass
from typing import final

from strategies.mocosfl.settings import MocoSFLSettings

_SAMPLES_PER_STEP = 100
_STEPS_PER_ROUND = 50


@final
@dataclass(frozen=True)
class Sampling:
    """Who takes part in a round, and with how much.

    Attributes
    ----------
    pool : int
        Logical clients of a round.
    batch : int
        Samples of each in one step.
    """

    pool: int
    batch: int


def sampling(settings: MocoSFLSettings, num_clients: int) -> Sampling:
    """Choose pool and batch.

    Parameters
    ----------
    settings : MocoSFLSettings
        What is not 0 in them wins; a pool larger than all clients is all of them.
    num_clients : int
        Logical clients to choose from (N), at least one.
    """
    # The authors' sampling ratio is 1 / (N // 100), here without the rounding of a ratio.
    chosen = settings.pool or num_clients // max(num_clients // _SAMPLES_PER_STEP, 1)
    pool = min(chosen, num_clients)
    return Sampling(pool, settings.batch or max(_SAMPLES_PER_STEP // pool, 1))


def steps_per_round(settings: MocoSFLSettings) -> int:
    """Return the optimiser steps between two synchronisations."""
    return settings.steps_per_round or _STEPS_PER_ROUND


def is_symmetric(settings: MocoSFLSettings) -> bool:
    """Tell whether each view is also the other's key."""
    if settings.symmetric == "auto":
        return settings.version == "v2"
    return settings.symmetric == "on"


def projection_hidden(settings: MocoSFLSettings) -> int:
    """Return the width of the head's hidden layer; 0 for none."""
    return settings.projection_hidden or (1024 if settings.version == "v2" else 0)


def projection_dim(settings: MocoSFLSettings) -> int:
    """Return the width of queries and keys."""
    return settings.projection_dim or (1024 if settings.version == "v2" else 128)
