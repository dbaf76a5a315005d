"""What FedL2G sends, in float32: vectors of width q, that of features or the number of classes."""

from typing import final

from strategies.common.agreed import Agreed
from strategies.common.payload import payload, payload_base
from strategies.common.payloads import ClassRows
from strategies.common.round import Phase


@payload_base
class _Vectors(ClassRows):
    @classmethod
    def width(cls, agreed: Agreed) -> int:
        """Return the width of what is guided."""
        features = agreed.settings.guidance == "feature"
        return agreed.feature_dim if features else agreed.task.num_classes


@final
@payload("fedl2g.gradients", version=1)
class Gradients(_Vectors):
    """How the vectors should move for one client, to the server: ``4pq + 8p`` bytes, p studied.

    They tell which classes it studied in the round, and where the quiz set wants their features.
    """


@final
@payload("fedl2g.guides", version=1)
class Guides(_Vectors):
    """All guiding vectors, to every client: ``4Cq + 8C`` bytes."""


WIRE = Phase(up=Gradients, down=Guides)
