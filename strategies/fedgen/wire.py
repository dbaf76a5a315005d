"""What FedGen sends, in float32: C classes, P parameters and S statistics of what is shared.

With ``sharing="head"`` these are P = C(d + 1), for features of width d, and S = 0.
"""

from typing import final

import torch
from torch import Tensor

from strategies.common.agreed import Agreed
from strategies.common.architecture import Architecture
from strategies.common.payload import Sizes, labels, payload, sample_counts, tensor
from strategies.common.payloads import WholeModel, put_numbers
from strategies.common.round import Phase
from strategies.fedgen.generator import FeatureGenerator


def _shared(agreed: Agreed) -> dict[str, int]:
    own = agreed.architecture
    if agreed.settings.sharing == "full":
        return {"parameters": own.parameters, "statistics": own.statistics}
    return {"parameters": agreed.task.num_classes * (agreed.feature_dim + 1), "statistics": 0}


@final
@payload("fedgen.model", version=2)
class Model(WholeModel):
    """A client's model or head, to the server: ``4(P + S) + 16p`` bytes for p labels present.

    As in FedAvg, samples that it was trained on can be drawn from it; and it says how many samples
    of each class the client has.

    Attributes
    ----------
    labels : Tensor
        (present,) int64, the classes that the client holds.
    counts : Tensor
        (present,) int64 training samples of each (c in algorithm 1).
    """

    labels: Tensor = labels("present")
    counts: Tensor = sample_counts("present")

    @classmethod
    def sizes(cls, agreed: Agreed) -> Sizes:
        """Return what is shared, and one count per class at most."""
        return Sizes(_shared(agreed), {"present": agreed.task.num_classes})


@final
@payload("fedgen.lesson", version=2)
class Lesson(WholeModel):
    """The mean and the generator, to each client: ``4(P + S) + 4(G + 2h) + 4C`` bytes.

    G stands for the generator's parameters and h for the width of its hidden layer. The prior says
    how many samples of each class all clients hold together.

    Attributes
    ----------
    generator, measured : Tensor
        (generator,) and (measured,) float, parameters and statistics of the generator (w).
    prior : Tensor
        (class,) float, from which labels are drawn, p(y).
    """

    generator: Tensor = tensor("float", "generator", means="weights")
    measured: Tensor = tensor("float", "measured", means="statistics")
    prior: Tensor = tensor("float", "class", low=0, high=1)

    @classmethod
    def sizes(cls, agreed: Agreed) -> Sizes:
        """Return what is shared, and the generator's numbers."""
        with torch.device("meta"):
            drawn = Architecture.of(FeatureGenerator.of(agreed))
        numbers = {"generator": drawn.parameters, "measured": drawn.statistics}
        return Sizes({**_shared(agreed), **numbers, "class": agreed.task.num_classes})

    def built_generator(self, agreed: Agreed) -> FeatureGenerator:
        """Return the generator, with the numbers that travelled."""
        built = FeatureGenerator.of(agreed)
        put_numbers(built, self.generator, self.measured)
        return built


WIRE = Phase(up=Model, down=Lesson)
