"""What travels between server and clients that speak about open data."""

from abc import abstractmethod
from dataclasses import replace
from typing import ClassVar, Self

from torch import Tensor
from torch.nn import functional

from strategies.common.agreed import Agreed
from strategies.common.coarse import Coarse, packed
from strategies.common.distributions import unlike_distributions
from strategies.common.errors import WireError
from strategies.common.open_data import num_drawn
from strategies.common.payload import Payload, Sizes, payload_base, tensor


@payload_base
class OpenAnswers(Payload):
    """One row for each open sample that a round asks about: ``4nC`` bytes.

    n stands for these samples and C for the classes. A method derives from it, names the schema
    and says what the rows are.

    Attributes
    ----------
    rows : Tensor
        (open, class) float, in the order in which the samples were drawn.
    are_distributions : bool
        Whether every row is to be one; form alone then bounds all values.
    """

    are_distributions: ClassVar[bool] = False

    rows: Tensor = tensor("float", "open", "class", means="statistics")

    @classmethod
    def sizes(cls, agreed: Agreed) -> Sizes:
        """Return one row for each sample that the method's settings ask about."""
        asked = num_drawn(agreed.open_set, agreed.settings.samples_per_round)
        return Sizes({"open": asked, "class": agreed.task.num_classes, "one": 1})

    @staticmethod
    def said_by(logits: Tensor) -> Tensor:
        """Return what is said of samples with logits (batch, class): by default these."""
        return logits

    @classmethod
    def of(cls, rows: Tensor, agreed: Agreed) -> Self:  # noqa: ARG003
        """Return what travels of answers (open, class)."""
        return cls(rows)

    def answers(self, agreed: Agreed) -> Tensor:  # noqa: ARG002
        """Return the answers (open, class) that travelled, as near as they are known.

        Raises
        ------
        WireError
            If what travelled stands for none.
        """
        return self.rows

    def fault(self, agreed: Agreed) -> str | None:  # noqa: ARG002
        """Refuse rows that are no distributions, such as logits, where they are to be some."""
        if not self.are_distributions:
            return None
        return unlike_distributions(self.rows, lambda row: f"open sample {row}")


@payload_base
class OpenDistributions(OpenAnswers):
    """Distributions over the classes, of which settings may let less travel.

    Of the k likeliest classes alone, in b bits each, they are ``nk (b + log2 C) / 8`` bytes.

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

    @staticmethod
    def said_by(logits: Tensor) -> Tensor:
        """Return distributions over the classes."""
        return logits.softmax(1)

    @classmethod
    def of(cls, rows: Tensor, agreed: Agreed) -> Self:
        """Return as much of distributions (open, class) as the settings let travel."""
        coarse = Coarse.agreed(agreed)
        values, classes = coarse.kept(rows)
        steps = packed(coarse.steps(values), coarse.bits) if coarse.in_steps else None
        told = packed(classes, coarse.class_bits) if coarse.class_bits else None
        return cls(rows=values[:0] if coarse.in_steps else values, steps=steps, classes=told)

    def fault(self, agreed: Agreed) -> str | None:
        """Refuse rows that are no distributions, nor parts of some, and classes told twice."""
        if self.classes is None and (unlike := super().fault(agreed)):
            return unlike
        least = float(self.rows.min()) if len(self.rows) else 0.0
        if least < 0:
            return f"rows: expected entries of at least 0, got {least:g}"
        try:
            self.answers(agreed)
        except WireError as error:
            return str(error)
        return None

    def answers(self, agreed: Agreed) -> Tensor:
        """Return the distributions (open, class) that travelled, as near as they are known.

        Raises
        ------
        WireError
            If a class is none of the task's or told twice for a sample, or what is told of a
            sample is more than 1 in all.
        """
        coarse = Coarse.agreed(agreed)
        values = self.rows if self.steps is None else coarse.values(self.steps)
        return coarse.restored(values, coarse.classes_of(self.classes))


@payload_base
class OpenConsensus(OpenAnswers):
    """What all answers of a round came to: ``4nC + 8`` bytes.

    Attributes
    ----------
    round : Tensor
        (one,) int64, the round whose samples it is about.
    parameters, statistics : Tensor | None
        (parameters,) and (statistics,) float of the server's own model, in rounds that test it:
        what the answers of all rounds came to, and no more than they tell.
    """

    round: Tensor = tensor("int64", "one", low=1)
    parameters: Tensor | None = tensor("float", "parameters", optional=True, means="weights")
    statistics: Tensor | None = tensor("float", "statistics", optional=True, means="statistics")

    @staticmethod
    @abstractmethod
    def distance(logits: Tensor, told: Tensor) -> Tensor:
        """Return how far logits (batch, class) are from what all said: a loss, ()."""

    @classmethod
    def sizes(cls, agreed: Agreed) -> Sizes:
        """Return rows with room for a model where the server has one."""
        rows = super().sizes(agreed)
        if not agreed.settings.server_model:
            return replace(rows, absent=frozenset({"parameters", "statistics"}))
        own = agreed.beside
        return replace(rows, at_most={"parameters": own.parameters, "statistics": own.statistics})


@payload_base
class OpenDistributionConsensus(OpenConsensus):
    """What all answers came to, where they are distributions over the classes."""

    are_distributions, compared = True, False

    @staticmethod
    def distance(logits: Tensor, told: Tensor) -> Tensor:
        """Return the cross-entropy to what was told, mean over the batch."""
        return functional.cross_entropy(logits, told)
