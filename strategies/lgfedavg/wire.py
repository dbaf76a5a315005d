"""What LG-FedAvg sends, in float32: C classes and features of width d."""

from typing import final

from strategies.common.payload import payload
from strategies.common.payloads import HeadWeights
from strategies.common.round import Phase


@final
@payload("lgfedavg.head", version=1)
class Head(HeadWeights):
    """The last layer, up and, as a mean, down: ``4C(d + 1)`` bytes.

    How a row moved in a round tells whether the client holds the class, and roughly where its
    features lie; they are a private model's.
    """


WIRE = Phase(up=Head, down=Head)
