"""FML's and FedKD's client as plain loops, and as HtFLlib plays them.

In HtFLlib a teacher learns from teaching, and each of a batch's two losses goes back through both
networks on its own: four passes back where there are two here. The sum of both losses would have
the same gradients in two. With f for a pass forwards through a network and b for one back, a batch
costs 2 f + 2 b here and 2 f + 4 b there: 0.6 times as much where b is twice f, and 2/3 where both
are alike.
"""

from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from benchmarks.bare_clients import Play, epoch, test
from benchmarks.bare_factors import factors, product
from benchmarks.seconds_case import ROUND, Case

_PEERS_NORM: Final = 10.0


def mutual(own: Tensor, shared: Tensor, y: Tensor, *, detach: bool) -> list[Tensor]:
    """Return cross-entropy and divergence of each of two models that teach each other."""
    one, other = own.log_softmax(1), shared.log_softmax(1)

    def divergence(student: Tensor, teacher: Tensor) -> Tensor:
        told = teacher.detach() if detach else teacher
        return (told.exp() * (told - student)).sum(1).mean()

    own_loss, shared_loss = functional.nll_loss(one, y), functional.nll_loss(other, y)
    return [own_loss, divergence(one, other), shared_loss, divergence(other, one)]


def fml(case: Case, state: Any, *, peer: bool = False, tested: bool = True) -> Play:
    """Learn with the meme, and send it."""
    settings, model = case.client.settings, state.model.train()
    meme = case.client.provided.build_beside().train()
    alpha, beta = settings.label_weight, settings.meme_label_weight

    def losses(x: Tensor, y: Tensor) -> Sequence[Tensor]:
        parts = mutual(model(x), meme(x), y, detach=not peer)
        both = alpha * parts[0] + (1 - alpha) * parts[1], beta * parts[2] + (1 - beta) * parts[3]
        return both if peer else [both[0] + both[1]]

    def play() -> Tensor:
        vector_to_parameters(case.told("parameters").clone(), meme.parameters())
        _learn(case, (model, meme), losses, peer=peer)
        sent = parameters_to_vector(meme.parameters()).detach()
        if tested:
            test(case, model, model)
        return sent

    return play


def fedkd(case: Case, state: Any, *, peer: bool = False, tested: bool = True) -> Play:
    """Change the mentee, learn with it, and send the factors of what changed."""
    settings, run = case.client.settings, case.device.settings
    mentor, mentee, hidden = state.model.train(), state.mentee.train(), state.hidden
    shapes = [parameter.shape for parameter in mentee.parameters()]

    def losses(x: Tensor, y: Tensor) -> Sequence[Tensor]:
        features, small = mentor.features(x), mentee.features(x)
        parts = mutual(mentor.head(features), mentee.head(small), y, detach=not peer)
        tasks, apart = parts[0] + parts[2], functional.mse_loss(hidden(small), features)
        if peer:
            return [
                parts[0] + (parts[1] + apart) / tasks,
                parts[2] + (parts[3] + apart) / tasks,
            ]
        return [tasks + (parts[1] + parts[3] + apart) / tasks.detach()]

    def play() -> Tensor:
        change = product(case.told("numbers"), case.told("ranks").tolist(), shapes)
        began = parameters_to_vector(mentee.parameters()).detach() + change
        vector_to_parameters(began.clone(), mentee.parameters())
        _learn(case, (mentor, mentee, hidden), losses, peer=peer)
        after = parameters_to_vector(mentee.parameters()).detach()
        exact, energy = torch.float32 if peer else torch.float64, settings.energy(ROUND, run.rounds)
        sent = factors(after - began, shapes, energy, exact)[0]
        if tested:
            test(case, mentor, mentor)
        return sent

    return play


def _learn(case: Case, modules: Sequence[nn.Module], losses: Any, *, peer: bool) -> None:
    groups = [list(module.parameters()) for module in modules]
    every = [parameter for group in groups for parameter in group]
    epoch(case, every, losses, groups if peer else (), _PEERS_NORM)


def learnt(case: Case, state: Any) -> Play:
    """Learn and send as HtFLlib does, without a test."""
    play = {"fml": fml, "fedkd": fedkd}[case.device.settings.method]
    return play(case, state, peer=True, tested=False)
