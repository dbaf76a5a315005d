"""What FedGH sends, in float32: C classes, of which a client holds p, and features of width d."""

from typing import final

from strategies.common.payload import payload
from strategies.common.payloads import FeatureRows, HeadWeights
from strategies.common.round import Phase


@final
@payload("fedgh.means", version=1)
class Means(FeatureRows):
    """One client's mean feature of each class, to the server: ``4pd + 8p`` bytes.

    They tell which classes it holds, and where their mean lies in a space that its private model
    alone maps to; of a single sample, itself.
    """


@final
@payload("fedgh.head", version=1)
class Head(HeadWeights):
    """The global head, to every client: ``4C(d + 1)`` bytes, made of all clients' means."""


WIRE = Phase(up=Means, down=Head)
