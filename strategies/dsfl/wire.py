"""What DS-FL sends; in float32, for n open samples asked about in a round and C classes."""

from typing import final

from strategies.common.open_answers import OpenDistributionConsensus, OpenDistributions
from strategies.common.payload import payload
from strategies.common.round import Phase


@final
@payload("dsfl.predictions", version=2)
class Predictions(OpenDistributions):
    """One client's softmax outputs on the round's open samples, to the server: ``4nC`` bytes.

    They tell how its model judges samples that all hold; where a class is never the likeliest,
    that it hardly holds that class.
    """


@final
@payload("dsfl.consensus", version=2)
class Consensus(OpenDistributionConsensus):
    """What the answers of a round came to, to every client: ``4nC + 8`` bytes; of one, its own."""


WIRE = Phase(up=Predictions, down=Consensus)
