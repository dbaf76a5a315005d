"""What FedGen sends, in float32: C classes, P parameters and S statistics of what is shared.

With ``sharing="head"`` these are P = C(d + 1), for features of width d, and S = 0.
"""

from typing import final

from torch import Tensor

from strategies.common.agreed import Agreed
from strategies.common.architecture import Architecture
from strategies.common.payload import Sizes, labels, payload, payload_base, sample_counts, tensor
from strategies.common.payloads import WholeModel, put_numbers
from strategies.common.round import Phase
from strategies.fedgen.generator import FeatureGenerator


@payload_base
class _Shared(WholeModel):
    @classmethod
    def held(cls, agreed: Agreed) -> Architecture:
        """Return what the whole model holds, or its head."""
        return agreed.architecture if agreed.settings.sharing == "full" else agreed.head


@final
@payload("fedgen.model", version=2)
class Model(_Shared):
    """A client's model or head, to the server: ``4(P + S) + 16p`` bytes for p labels present.

    As in FedAvg, samples that it was trained on can be drawn from it; and it says which classes the
    client holds, labels (present,) int64, and how many training samples of each, counts (present,)
    int64 (c in algorithm 1).
    """

    labels: Tensor = labels("present")
    counts: Tensor = sample_counts("present")

    def fault(self, agreed: Agreed) -> str | None:
        """Refuse counts of nothing, too."""
        nothing = None if len(self.counts) else "counts: expected at least one class, got none"
        return super().fault(agreed) or nothing


@final
@payload("fedgen.lesson", version=2)
class Lesson(_Shared):
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
        drawn = Architecture.planned(lambda: FeatureGenerator.of(agreed))
        numbers = {"generator": drawn.parameters, "measured": drawn.statistics}
        shared = super().sizes(agreed).exact
        return Sizes({**shared, **numbers, "class": agreed.task.num_classes})

    def built_generator(self, agreed: Agreed) -> FeatureGenerator:
        """Return the generator, with the numbers that travelled."""
        return put_numbers(FeatureGenerator.of(agreed), self.generator, self.measured)


WIRE = Phase(up=Model, down=Lesson)
