"""What DS-FL sends; in float32, for n open samples asked about in a round and C classes."""

from typing import final

from torch import Tensor

from strategies.common.agreed import Agreed
from strategies.common.open_data import num_drawn
from strategies.common.payload import payload, tensor
from strategies.common.payloads import OpenRows
from strategies.common.round import Phase


@final
@payload("dsfl.predictions", version=1)
class Predictions(OpenRows):
    """One client's softmax outputs on the round's open samples, to the server: ``4nC`` bytes.

    They tell how its model judges samples that all hold; where a class is never the likeliest,
    that it hardly holds that class.
    """

    @classmethod
    def asked(cls, agreed: Agreed) -> int:
        """Return what the setting says, as far as there are so many."""
        return num_drawn(agreed.open_set, agreed.settings.samples_per_round)


@final
@payload("dsfl.consensus", version=1)
class Consensus(OpenRows):
    """What the answers of a round came to, to every client: ``4nC + 8`` bytes; of one, its own.

    Attributes
    ----------
    round : Tensor
        (one,) int64, the round whose samples it is about.
    """

    round: Tensor = tensor("int64", "one", low=1)

    @classmethod
    def asked(cls, agreed: Agreed) -> int:
        """Return what the setting says, as far as there are so many."""
        return num_drawn(agreed.open_set, agreed.settings.samples_per_round)


WIRE = Phase(up=Predictions, down=Consensus)
