"""What FedProto sends; in float32, for p classes present and d = ``feature-dim``."""

from typing import final

from torch import Tensor

from strategies.common.payload import payload, sample_counts
from strategies.common.payloads import FeatureRows
from strategies.common.round import Phase


@final
@payload("fedproto.prototypes", version=2)
class Prototypes(FeatureRows):
    """One client's class means, to the server: ``4pd + 16p`` bytes.

    They tell which classes it holds, with how many training samples (``counts``), and where their
    mean lies in a space that its private model alone maps to; of a single sample, itself.
    """

    counts: Tensor = sample_counts("present")


@final
@payload("fedproto.global-prototypes", version=2)
class GlobalPrototypes(FeatureRows):
    """The federation's class means, to every device: ``4pd + 8p`` bytes; one holder's as it is."""


WIRE = Phase(up=Prototypes, down=GlobalPrototypes)
