"""What FedMD sends; in float32, for n public samples asked about in a round and C classes."""

from typing import final

from torch import Tensor
from torch.nn import functional

from strategies.common.open_answers import OpenAnswers, OpenConsensus
from strategies.common.payload import payload
from strategies.common.round import Phase


@final
@payload("fedmd.logits", version=1)
class Logits(OpenAnswers):
    """One client's logits on the round's public samples, to the server: ``4nC`` bytes.

    They tell how its model judges samples that all hold, and how surely, which tells more of what
    it was trained on than distributions do.
    """


@final
@payload("fedmd.consensus", version=2)
class Consensus(OpenConsensus):
    """The clients' mean logits, to every client: ``4nC + 8`` bytes; of one client, its own."""

    @staticmethod
    def distance(logits: Tensor, told: Tensor) -> Tensor:
        """Return the mean absolute difference."""
        return functional.l1_loss(logits, told)


WIRE = Phase(up=Logits, down=Consensus)
