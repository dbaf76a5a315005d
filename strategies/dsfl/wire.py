"""What DS-FL sends; in float32, for n open samples asked about in a round and C classes."""

from dataclasses import replace
from typing import final

from torch import Tensor

from strategies.common.agreed import Agreed
from strategies.common.payload import Sizes, payload, tensor
from strategies.common.payloads import OpenAnswers, OpenConsensus
from strategies.common.round import Phase
from strategies.dsfl.coarse import Coarse, packed


@final
@payload("dsfl.predictions", version=2)
class Predictions(OpenAnswers):
    """One client's softmax outputs on the round's open samples, to the server: ``4nC`` bytes.

    They tell how its model judges samples that all hold; where a class is never the likeliest,
    that it hardly holds that class. Of the k likeliest classes alone, in b bits each, they are
    ``nk (b + log2 C) / 8`` bytes.

    Attributes
    ----------
    rows : Tensor
        (open, class) float, or (open, k) of the likeliest; without rows where they are steps.
    steps, classes : Tensor | None
        (step_bytes,) and (class_bytes,) uint8, packed: how likely, where that is said in few bits,
        and which classes, where not all are told.
    """

    are_distributions, compared = True, False

    steps: Tensor | None = tensor("uint8", "step_bytes", optional=True)
    classes: Tensor | None = tensor("uint8", "class_bytes", optional=True)

    @classmethod
    def sizes(cls, agreed: Agreed) -> Sizes:
        """Return the sizes of answers as the method's settings make them smaller."""
        coarse = Coarse.agreed(agreed)
        exact = {
            "open": 0 if coarse.in_steps else coarse.samples,
            "class": coarse.top,
            "step_bytes": coarse.bytes_of(coarse.bits),
            "class_bytes": coarse.bytes_of(coarse.class_bits),
        }
        told = {"steps": coarse.in_steps, "classes": coarse.class_bits > 0}
        return Sizes(exact, absent=frozenset(name for name, there in told.items() if not there))

    @classmethod
    def of(cls, rows: Tensor, agreed: Agreed) -> "Predictions":
        """Return what travels of answers (open, class)."""
        coarse = Coarse.agreed(agreed)
        values, classes = coarse.kept(rows)
        steps = packed(coarse.steps(values), coarse.bits) if coarse.in_steps else None
        told = packed(classes, coarse.class_bits) if coarse.class_bits else None
        return cls(values[:0] if coarse.in_steps else values, steps, told)

    def fault(self) -> str | None:
        """Refuse rows that are no distributions, nor parts of some."""
        if self.classes is None:
            return super().fault()
        least = float(self.rows.min()) if len(self.rows) else 0.0
        return f"rows: expected entries of at least 0, got {least:g}" if least < 0 else None

    def answers(self, agreed: Agreed) -> Tensor:
        """Return the answers (open, class) that travelled, as near as they are known.

        Raises
        ------
        WireError
            If a class is none of the task's or told twice for a sample, or what is told of a
            sample is more than 1 in all.
        """
        coarse = Coarse.agreed(agreed)
        values = self.rows if self.steps is None else coarse.values(self.steps)
        return coarse.restored(values, coarse.classes_of(self.classes))


@final
@payload("dsfl.consensus", version=2)
class Consensus(OpenConsensus):
    """What the answers of a round came to, to every client: ``4nC + 8`` bytes; of one, its own.

    Attributes
    ----------
    parameters, statistics : Tensor | None
        (parameters,) and (statistics,) float of the server's own model, in rounds that test it:
        what the answers of all rounds came to, and no more than they tell.
    """

    are_distributions, compared = True, False

    parameters: Tensor | None = tensor("float", "parameters", optional=True, means="weights")
    statistics: Tensor | None = tensor("float", "statistics", optional=True, means="statistics")

    @classmethod
    def sizes(cls, agreed: Agreed) -> Sizes:
        """Return them with room for a model where the server has one."""
        rows = super().sizes(agreed)
        if not agreed.settings.server_model:
            return replace(rows, absent=frozenset({"parameters", "statistics"}))
        own = agreed.beside
        return replace(rows, at_most={"parameters": own.parameters, "statistics": own.statistics})


WIRE = Phase(up=Predictions, down=Consensus)
