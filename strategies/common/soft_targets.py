"""Learning from labels and from soft targets at once: how far, and which of both counts more."""

from typing import Literal, Self, final

from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional

from strategies.common.device import Device
from strategies.common.entropy import entropy
from strategies.common.samples import num_batches
from strategies.common.settings import Settings

Distance = Literal["cross-entropy", "kl", "l2", "l1"]


class SoftTargetSettings(Settings):
    """How strongly soft targets are learnt beside labels.

    Attributes
    ----------
    distillation_weight : float
        Weight of the distance to the soft target; 0 leaves labels alone.
    distance : str
        From the soft target to the outputs: ``"cross-entropy"``; ``"kl"``, which has the same
        gradient; ``"l2"`` and ``"l1"``, the sum over classes of squared or absolute differences of
        probabilities.
    loss_form : str
        ``"sum"`` adds the weighted distance to the cross-entropy with the label; ``"convex"`` takes
        a times the distance and 1 - a times the cross-entropy, where a falls from the weight, at
        most 1, to 0 along a straight line over the run.
    """

    distillation_weight: float = Field(ge=0)
    distance: Distance
    loss_form: Literal["sum", "convex"]

    def follows_rounds(self) -> bool:
        """Follow them where a falls over the run."""
        return self.loss_form == "convex"

    @model_validator(mode="after")
    def _is_a_share(self) -> Self:
        if self.loss_form == "convex" and self.distillation_weight > 1:
            raise ValueError(
                f"distillation-weight: expected at most 1 with loss-form=convex, got "
                f"{self.distillation_weight:g}"
            )
        return self


@final
class SoftTargetLoss:
    """The loss of a client's batches, from the place of the run at which its round begins.

    Parameters
    ----------
    settings : SoftTargetSettings
        Of the method.
    device : Device
        Gives round, samples and length of the run.
    """

    def __init__(self, settings: SoftTargetSettings, device: Device) -> None:
        self._settings = settings
        run = device.settings
        count, fixed = len(device.train), run.batches == "fixed"
        per_round = run.local_epochs * num_batches(count, run.batch_size, fixed=fixed)
        self._batch = (device.round_number - 1) * per_round
        self._last = max(run.rounds * per_round - 1, 1)

    def __call__(self, logits: Tensor, labels: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Return the losses of the next batch.

        Parameters
        ----------
        logits, targets : Tensor
            (batch, class); a target without any entry is none, and adds nothing.
        labels : Tensor
            (batch,) int64.
        """
        weight = self._settings.distillation_weight
        cross_entropy = functional.cross_entropy(logits, labels)
        distillation = soft_distance(self._settings.distance, logits, targets)
        if self._settings.loss_form == "convex":
            weight *= 1 - min(self._batch / self._last, 1.0)
            total = (1 - weight) * cross_entropy + weight * distillation
        else:
            total = cross_entropy + weight * distillation
        self._batch += 1
        return {"total": total, "cross_entropy": cross_entropy, "distillation": distillation}


def soft_distance(distance: Distance, logits: Tensor, targets: Tensor) -> Tensor:
    """Return how far outputs are from soft targets, mean over the batch: ().

    Parameters
    ----------
    distance : str
        As of ``SoftTargetSettings``.
    logits, targets : Tensor
        (batch, class); each target is a distribution, or nothing but zeros, which adds nothing.
    """
    if distance in ("cross-entropy", "kl"):
        crossed = functional.cross_entropy(logits, targets)
        if distance == "cross-entropy":
            return crossed
        least: Tensor = entropy(targets).mean()
        return crossed - least
    apart = (logits.softmax(1) - targets) * targets.any(1, keepdim=True)
    each = apart.square() if distance == "l2" else apart.abs()
    found: Tensor = each.sum(1).mean()
    return found
