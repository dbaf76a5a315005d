"""What FedMD sends; in float32, for n public samples asked about in a round and C classes."""

from typing import final

from strategies.common.payload import payload
from strategies.common.payloads import OpenAnswers, OpenConsensus
from strategies.common.round import Phase


@final
@payload("fedmd.logits", version=1)
class Logits(OpenAnswers):
    """One client's logits on the round's public samples, to the server: ``4nC`` bytes.

    They tell how its model judges samples that all hold, and how surely, which tells more of what
    it was trained on than distributions do.
    """


@final
@payload("fedmd.consensus", version=1)
class Consensus(OpenConsensus):
    """The clients' mean logits, to every client: ``4nC + 8`` bytes; of one client, its own."""


WIRE = Phase(up=Logits, down=Consensus)
