"""Settings of FedKD: the table ``fedkd``."""

from typing import Literal, final

from pydantic import Field

from strategies.common.mutual import MutualSettings


@final
class FedKDSettings(MutualSettings):
    """How exactly updates travel, beside how a client's two models teach each other.

    Attributes
    ----------
    factorise : str
        ``"update"`` approximates what a round changed (paper), ``"parameters"`` the weights
        themselves (HtFLlib).
    energy_start, energy_end : float
        Share of a matrix's energy, its squared singular values, that factors keep in the first
        round and in the last (T in eq. 8); between them it is interpolated.
    """

    factorise: Literal["update", "parameters"]
    energy_start: float = Field(gt=0, le=1)
    energy_end: float = Field(gt=0, le=1)

    def follows_rounds(self) -> bool:
        """Follow them where the energy is interpolated."""
        return self.energy_start != self.energy_end

    def energy(self, round_number: int, rounds: int) -> float:
        """Return the share that factors keep in a round, from 1 on."""
        passed = (round_number - 1) / max(rounds - 1, 1)
        return self.energy_start + passed * (self.energy_end - self.energy_start)
