"""Settings of FedMRL: the table ``fedmrl``."""

from typing import Literal, final

from pydantic import Field

from strategies.common.auxiliary import AuxiliarySettings


@final
class FedMRLSettings(AuxiliarySettings):
    """How features of two models become one, beside which the small model is and how it weighs.

    Attributes
    ----------
    shared_dim : int
        Width of the small model's features (d_1), at most that of each client's own (d_2).
    shared_weight, own_weight : float
        Of the losses of the small model's head and of the client's (m^G and m^F, 1 in the paper).
    projection : str
        A client's projection is ``"kept"``, or ``"fresh"`` in each round and in tests (HtFLlib).
    """

    shared_dim: int = Field(ge=1)
    shared_weight: float = Field(ge=0)
    own_weight: float = Field(gt=0)
    projection: Literal["kept", "fresh"]

    @property
    def width(self) -> int:
        """Width of the small model's features."""
        return self.shared_dim
