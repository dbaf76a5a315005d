"""How answers are scored: the loss that is learnt from, and what an answer is worth."""

import torch
from torch import Tensor
from torch.nn import functional


def answer_loss(logits: Tensor, labels: Tensor, scores: Tensor | None) -> Tensor:
    """Return the loss of a batch.

    With one right answer per question it is cross-entropy. With several, it is the binary
    cross-entropy of every answer with its worth as target, summed over the answers, as ViLT
    is fine-tuned on VQAv2 (Kim et al., "ViLT", ICML 2021, section 4.2).

    Parameters
    ----------
    logits : Tensor
        (batch, answers).
    labels : Tensor
        (batch,) int64 best answer.
    scores : Tensor | None
        (batch, answers) worth of each answer, in [0, 1].

    Returns
    -------
    Tensor
        () mean over the batch.
    """
    if scores is None:
        return functional.cross_entropy(logits, labels)
    answers = logits.shape[1]
    return functional.binary_cross_entropy_with_logits(logits, scores) * answers


def worth(logits: Tensor, labels: Tensor, scores: Tensor | None) -> Tensor:
    """Return what the answer with the highest logit is worth, sample by sample.

    Parameters
    ----------
    logits, labels, scores : Tensor
        As for :func:`answer_loss`.

    Returns
    -------
    Tensor
        (batch,) float32 in [0, 1]: the VQA soft score, or 1 for the right answer alone.
    """
    given = logits.argmax(1)
    if scores is None:
        return (given == labels).to(torch.float32)
    return scores.gather(1, given[:, None]).squeeze(1)
