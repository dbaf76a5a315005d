"""Distillation between two models of one client."""

from torch import Tensor
from torch.nn import functional


def distillation_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return T^2 KL(softmax(teacher / T) || softmax(student / T)), mean over the batch.

    The factor keeps gradients of one size whatever the temperature (Hinton et al.,
    "Distilling the Knowledge in a Neural Network", 2015, section 2.1). No gradient reaches
    the teacher.

    Parameters
    ----------
    student, teacher : Tensor
        (batch, answers) logits.
    temperature : float
        T, above 0.

    Returns
    -------
    Tensor
        () at least 0, up to rounding; 0 where both agree.
    """
    softened = functional.log_softmax(student / temperature, dim=-1)
    target = functional.log_softmax(teacher.detach() / temperature, dim=-1)
    divergence = functional.kl_div(softened, target, reduction="batchmean", log_target=True)
    return temperature**2 * divergence
