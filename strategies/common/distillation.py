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
    return temperature**2 * divergence(student / temperature, teacher.detach() / temperature)


def divergence(student: Tensor, teacher: Tensor) -> Tensor:
    """Return KL(softmax(teacher) || softmax(student)), mean over the batch.

    Gradients reach both (batch, answers) logits; detach those that are not to learn.
    """
    target = functional.log_softmax(teacher, dim=-1)
    told = functional.log_softmax(student, dim=-1)
    return functional.kl_div(told, target, reduction="batchmean", log_target=True)
