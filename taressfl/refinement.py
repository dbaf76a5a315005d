"""The attack by optimisation: move a reconstruction until its latent is the one received.

The server knows the client model, so it can follow the gradient from the distance between
two latents back to the pixels (He, Zhang, Lee: "Model Inversion Attacks Against
Collaborative Inference", ACSAC 2019, section 3.2). A narrow latent fits many images, so a
search from nothing finds a wrong one; starting from what a decoder made of the latent, it
stays among likely images and comes closer than the decoder alone.
"""

from collections.abc import Callable

import torch
from torch import nn

from taressfl.attack import Outcome
from taressfl.intercept import Pairs
from taressfl.quality import measure

_LEARNING_RATE = 0.05
_BETAS = (0.9, 0.99)
# Weight of the squared distance to the start, which keeps apart what the latent leaves open.
_PULL = 0.1
# Pixels at the ends of their range would have infinite logits, which nothing could move.
_MARGIN = 0.02
_SMALLEST_POWER = 1e-12


def refine(
    front: nn.Module, unseen: Pairs, start: Outcome, steps: int, told: Callable[[], None]
) -> Outcome:
    """Refine an attacker's reconstructions, all at once and each on its own.

    Minimises the squared distance to the latent, in parts of the latents' mean square, plus
    a little of the distance to the start, by Adam on logits of the pixels.

    Parameters
    ----------
    front : nn.Module
        Client model, on the device of the pairs; put into evaluation mode, its weights stay
        as they are.
    unseen : Pairs
        Latents that are attacked; the images serve to measure only. At least one.
    start : Outcome
        What a decoder made of them.
    steps : int
        Adam steps.
    told : Callable[[], None]
        Called after each step.
    """
    front.eval()
    begin = start.images.to(unseen.latents.device)
    logits = begin.clamp(_MARGIN, 1 - _MARGIN).logit().requires_grad_()
    optimiser = torch.optim.Adam([logits], _LEARNING_RATE, betas=_BETAS)
    power = unseen.latents.square().mean().clamp_min(_SMALLEST_POWER)
    for _ in range(steps):
        images = logits.sigmoid()
        distances = (front(images * 2 - 1) - unseen.latents).square().flatten(1).mean(1) / power
        moved = (images - begin).square().flatten(1).mean(1)
        # A sum, so that no image's step depends on how many are attacked together.
        (logits.grad,) = torch.autograd.grad((distances + _PULL * moved).sum(), [logits])
        optimiser.step()
        told()
    found = logits.detach().sigmoid()
    return Outcome(f"{start.attacker}, refined", measure(found, unseen.images), found.cpu())
