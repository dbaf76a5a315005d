"""Settings that every method with adapters shares: the table ``adapters``."""

from typing import Literal, final

from pydantic import Field

from strategies.common.adapters.bottleneck import Initialisation
from strategies.common.settings import Settings


@final
class AdapterSettings(Settings):
    """Which frozen model is adapted, how large adapters are and how they are trained.

    The defaults of the optimiser are those of FedDAT's release: AdamW with betas 0.9 and
    0.98, weight decay 0.01 on weights alone, warm-up over a tenth of the steps and linear
    decay to 0. The schedule runs over the whole run; the release restarts it every round, so
    that its rate depends on how many steps a method takes.

    Attributes
    ----------
    backbone : str
        The foundation model, which every device holds: ``digitgrid`` (tiny, pretrained by
        ``python -m client_app.pretrain_backbone``), ``folder:<dir>`` or ``hub:<id>``.
    rank : int
        Width r of an adapter's bottleneck, or rank of a low-rank update; 0 takes a sixteenth
        of the model's width (at least 4), as the release does.
    initialisation : str
        ``"normal"`` draws all weights from N(0, 0.02^2), as the release does; ``"zero-up"``
        starts as the identity.
    head : str
        ``"linear"``, or ``"mlp"`` as ViLT has it: twice the width, layer norm, GELU.
    learning_rate : float
        Largest step size of adapters and head.
    warmup : float
        Part of all steps in which the step size rises.
    schedule : str
        ``"linear"`` falls to 0 at the end of the run; ``"constant"`` stays.
    weight_decay : float
        Of AdamW, on weights; never on biases and norms.
    aggregation_weights : str
        ``"uniform"`` counts every client alike, as the release does; ``"samples"`` by its
        training samples.
    """

    backbone: str = Field(min_length=1)
    rank: int = Field(ge=0, le=4096)
    initialisation: Initialisation
    head: Literal["linear", "mlp"]
    learning_rate: float = Field(gt=0)
    warmup: float = Field(ge=0, lt=1)
    schedule: Literal["linear", "constant"]
    weight_decay: float = Field(ge=0)
    aggregation_weights: Literal["uniform", "samples"]

    def follows_rounds(self) -> bool:
        """Follow them where the step size rises in a part of the run, or falls over it."""
        return self.schedule == "linear" or self.warmup > 0

    @property
    def model_name(self) -> str:
        """Name of the foundation model in reports, without the place where it lies."""
        return self.backbone.rstrip("/").rpartition("/")[2]
