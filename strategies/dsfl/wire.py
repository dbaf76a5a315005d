"""What DS-FL sends; in float32, for n open samples asked about in a round and C classes."""

from typing import final

from strategies.common.payload import payload
from strategies.common.payloads import OpenAnswers, OpenConsensus
from strategies.common.round import Phase


@final
@payload("dsfl.predictions", version=1)
class Predictions(OpenAnswers):
    """One client's softmax outputs on the round's open samples, to the server: ``4nC`` bytes.

    They tell how its model judges samples that all hold; where a class is never the likeliest,
    that it hardly holds that class.
    """

    are_distributions, compared = True, False


@final
@payload("dsfl.consensus", version=1)
class Consensus(OpenConsensus):
    """What the answers of a round came to, to every client: ``4nC + 8`` bytes; of one, its own."""

    are_distributions, compared = True, False


WIRE = Phase(up=Predictions, down=Consensus)
