"""Settings of FedGen: the table ``fedgen``."""

from typing import Literal, final

from pydantic import Field

from strategies.common.settings import Settings


@final
class FedGenSettings(Settings):
    """What is shared, and how the generator learns and teaches.

    Attributes
    ----------
    mode : str
        ``"paper"`` or ``"official"``, as the authors' code has it.
    sharing : str
        ``"full"`` averages whole models, one mean for each architecture; ``"head"`` the last layer,
        of whatever models.
    noise_dim, hidden_dim : int
        Width of the generator's noise and of its hidden layer.
    generator_steps, generator_batch_size : int
        Steps of the generator in a round, and features per step.
    generator_learning_rate, generator_weight_decay : float
        Of Adam; the decay is added to the gradient.
    diversity_weight : float
        Of the term that keeps features of unlike noise apart (eta in the code).
    """

    mode: Literal["paper", "official"]
    sharing: Literal["full", "head"]
    noise_dim: int = Field(ge=1)
    hidden_dim: int = Field(ge=1)
    generator_steps: int = Field(ge=1)
    generator_batch_size: int = Field(ge=2)
    generator_learning_rate: float = Field(gt=0)
    generator_weight_decay: float = Field(ge=0)
    diversity_weight: float = Field(ge=0)
