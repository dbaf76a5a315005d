"""Settings of FedLoRA: the table ``fedlora``."""

from typing import Literal, final

from pydantic import Field

from strategies.common.settings import Settings
from strategies.fedlora.lora_shape import LoraShape


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

    @property
    def is_stacked(self) -> bool:
        """Whether clients hold the sum of all rounds, and train factors beside it."""
        return self.aggregation == "stack"

    @property
    def largest(self) -> int:
        """The largest rank of any client."""
        return max(self._all())

    def rank_of(self, partition: int) -> int:
        """Return the rank of one client, as the setting says."""
        ranks = self._all()
        return ranks[partition % len(ranks)]

    def rank_in(self, shape: LoraShape, partition: int) -> int:
        """Return the rank of one client: what the layers can have of the setting's."""
        return min(self.rank_of(partition), shape.full_rank)

    def largest_in(self, shape: LoraShape) -> int:
        """Return the largest rank of any client, at most the layers' full one."""
        return min(self.largest, shape.full_rank)

    def _all(self) -> list[int]:
        return [int(rank) for rank in self.ranks.split(",")]
