"""What FedProto sends; in float32, for p classes present and d = ``feature-dim``."""

from typing import final

from strategies.common.payload import payload
from strategies.common.payloads import CountedRows, FeatureRows
from strategies.common.round import Phase


@final
@payload("fedproto.prototypes", version=3)
class Prototypes(CountedRows):
    """One client's class means, to the server: ``4pd + 16p`` bytes; ``8p`` less without counts.

    They tell which classes it holds, where their mean lies in a space that its private model alone
    maps to (of a single sample, itself), and, where ``counts`` weigh, how many samples of each.
    """


@final
@payload("fedproto.global-prototypes", version=2)
class GlobalPrototypes(FeatureRows):
    """The federation's class means, to every device: ``4pd + 8p`` bytes; one holder's as it is."""


WIRE = Phase(up=Prototypes, down=GlobalPrototypes)
