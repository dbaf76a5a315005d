"""Settings of FedLoRA: the table ``fedlora``."""

from typing import Literal, final

from pydantic import Field

from strategies.common.settings import Settings


@final
class FedLoRASettings(Settings):
    """How updates are averaged, and of which ranks they are.

    Attributes
    ----------
    aggregation : str
        ``"stack"`` is exact, ``"svd"`` the nearest of the largest rank, ``"naive"`` averages
        factors and is biased.
    ranks : str
        Ranks, comma separated, dealt to partitions in turn, e.g. ``"4,4,8"``.
    """

    aggregation: Literal["stack", "svd", "naive"]
    ranks: str = Field(pattern=r"^[1-9][0-9]{0,3}(,[1-9][0-9]{0,3})*$")

    def rank_of(self, partition: int) -> int:
        """Return the rank of one client."""
        ranks = self._all()
        return ranks[partition % len(ranks)]

    @property
    def largest(self) -> int:
        """The largest rank of any client."""
        return max(self._all())

    def _all(self) -> list[int]:
        return [int(rank) for rank in self.ranks.split(",")]
