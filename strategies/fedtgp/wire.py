"""What FedTGP sends, in float32: C classes, of which a client holds p, and features of width d."""

from typing import final

from strategies.common.payload import payload
from strategies.common.payloads import FeatureRows
from strategies.common.round import Phase


@final
@payload("fedtgp.prototypes", version=1)
class Prototypes(FeatureRows):
    """One client's class means, to the server: ``4pd + 8p`` bytes.

    They tell which classes it holds, and where their mean lies in a space that its private model
    alone maps to; of a single sample, itself.
    """


@final
@payload("fedtgp.global-prototypes", version=1)
class GlobalPrototypes(FeatureRows):
    """What the server learnt for each class that anyone ever held: ``4pd + 8p`` bytes."""


WIRE = Phase(up=Prototypes, down=GlobalPrototypes)
