"""Settings of FedAdapter: the table ``fedadapter``."""

from typing import final

from pydantic import Field

from strategies.common.settings import Settings


@final
class FedAdapterSettings(Settings):
    """How long adapters are averaged, and how much is learnt in a round.

    Attributes
    ----------
    shared_rounds : int
        Rounds after which every client goes on alone; -1 averages in all of them, 0 never.
    compute : float
        Multiple of the local epochs, rounded to whole batches.
    """

    shared_rounds: int = Field(ge=-1)
    compute: float = Field(gt=0, le=1000)
