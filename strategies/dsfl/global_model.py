"""The server's own model, which learns of open samples alone, and what of it travels."""

from dataclasses import dataclass, field
from typing import Final, final

from torch import Tensor

from strategies.common.errors import WireError
from strategies.common.model import FeatureModel
from strategies.common.open_consensus import ConsensusState
from strategies.common.payloads import numbers_of, put_numbers
from strategies.dsfl.wire import Consensus

# Name of its accuracy, on the clients' test samples.
SCORE: Final = "server_model"


@final
@dataclass
class DSFLState(ConsensusState):
    """What the answers came to, and who learns of nothing else.

    Attributes
    ----------
    model : FeatureModel | None
        The server's own; ``None`` where it keeps none.
    moments : dict[str, Tensor]
        Of the optimiser that trains it.
    """

    model: FeatureModel | None = None
    moments: dict[str, Tensor] = field(default_factory=dict)

    def sent(self, *, with_model: bool) -> Consensus | None:
        """Return what goes to every client; nothing before anyone spoke."""
        if not len(self.rows):
            return None
        if self.model is None:
            return Consensus(self.rows, self.round, None, None)
        parameters, statistics = numbers_of(self.model)
        if not with_model:
            parameters, statistics = parameters[:0], statistics[:0]
        return Consensus(self.rows, self.round, parameters, statistics)


def received(told: Consensus, like: FeatureModel) -> FeatureModel | None:
    """Return the server's model where it came down with what all said.

    Parameters
    ----------
    told : Consensus
        What came down.
    like : FeatureModel
        Of the same architecture; takes its weights.

    Raises
    ------
    WireError
        If it is another one.
    """
    if told.parameters is None or told.statistics is None or not len(told.parameters):
        return None
    expected = [len(numbers) for numbers in numbers_of(like)]
    got = [len(told.parameters), len(told.statistics)]
    if got != expected:
        raise WireError(
            f"server: {Consensus.schema}: expected a model of {expected[0]} parameters and "
            f"{expected[1]} statistics, as dsfl.server-model names it, got {got[0]} and {got[1]}; "
            f"run the same version on all machines"
        )
    put_numbers(like, told.parameters, told.statistics)
    return like
