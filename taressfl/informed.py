"""Attacks with all that the server has: every image it holds, and the decoders in its hands.

The server that pretrains a client model holds auxiliary images, perhaps some of the target's,
and the decoders that the client model was trained against. An attack that leaves these lying
flatters the client model: here they all are used, by networks from scratch, by the decoders
from the weights that they have, by ridge regression, and by the mean of all these.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from strategies.common import seeds
from strategies.mocosfl.schedule import cosine
from taressfl import decoder, small_networks
from taressfl.attack import Attacker, Outcome, by_channel
from taressfl.decoder import Decoder
from taressfl.intercept import Pairs
from taressfl.linear_attack import Ridge
from taressfl.quality import measure
from taressfl.settings import AttackSettings

# How often the error on what is kept aside is looked at; the best look is kept.
_LOOKS = 20
# The linear one, and a single network.
_FEWEST_TO_AVERAGE = 2


@final
@dataclass(frozen=True)
class Evidence:
    """What an attacker in the server's place has.

    Attributes
    ----------
    known : Pairs
        Of images like the clients' own, at least two.
    others : Pairs
        Of the other images that the server holds; may hold none.
    decoders : tuple[Decoder, ...]
        What the client model was trained against, as they read latents whose root mean square
        is 1; may hold none.
    """

    known: Pairs
    others: Pairs
    decoders: tuple[Decoder, ...]

    def parted(self, validation: float, seed: int) -> tuple[Pairs, Pairs]:
        """Return all pairs to learn from, and some of the known ones that are kept aside.

        Parameters
        ----------
        validation : float
            Part of all that is kept aside, at most half of the known ones and at least one.
        seed : int
            Of the choice.
        """
        known, others = self.known, self.others
        wanted = round(validation * (len(known) + len(others)))
        count = max(1, min(wanted, len(known) // 2))
        randomness = seeds.generator(seed, "informed-split")
        order = torch.randperm(len(known), generator=randomness).to(known.images.device)
        kept, learnt = order[:count], order[count:]
        everything = Pairs(
            torch.cat([known.latents[learnt], others.latents]),
            torch.cat([known.images[learnt], others.images]),
        )
        return everything, Pairs(known.latents[kept], known.images[kept])


def turns(settings: AttackSettings, num_decoders: int) -> int:
    """Return how many steps the attacks take together, with so many decoders in hand."""
    networks = len(settings.decoder_shapes) + len(settings.small_networks) + num_decoders
    return networks * settings.informed_steps


def attack(
    evidence: Evidence,
    unseen: Pairs,
    settings: AttackSettings,
    seed: int,
    told: Callable[[], None],
) -> Iterator[Outcome]:
    """Let every attacker learn from all there is, and test each on unseen images.

    Parameters
    ----------
    evidence : Evidence
        What the attackers have.
    unseen : Pairs
        What they are tested on; at least one.
    settings : AttackSettings
        Which attackers, and how they learn.
    seed : int
        Root of all randomness.
    told : Callable[[], None]
        Called after each step, :func:`turns` times.
    """
    learnt, kept = evidence.parted(settings.validation, seed)
    ending = f"on {len(learnt) + len(kept)} images"
    ridge = Ridge(learnt, kept).reconstruct(unseen.latents)
    found = [ridge]
    yield Outcome(f"ridge regression {ending}", measure(ridge, unseen.images), ridge.cpu())
    for name, attacker in _attackers(evidence, learnt, settings, seed):
        own = seeds.derive(seed, f"informed-{name}")
        train(attacker, (learnt, kept), settings, own, told)
        found.append(attacker.reconstruct(unseen.latents))
        yield Outcome(f"{name} {ending}", measure(found[-1], unseen.images), found[-1].cpu())
    if len(found) <= _FEWEST_TO_AVERAGE:
        return
    together = torch.stack(found[1:]).mean(0)
    yield Outcome(
        f"mean of {len(found) - 1} networks {ending}",
        measure(together, unseen.images),
        together.cpu(),
    )


def train(
    attacker: Attacker,
    pairs: tuple[Pairs, Pairs],
    settings: AttackSettings,
    seed: int,
    told: Callable[[], None],
) -> None:
    """Train an attacker in place, and leave it as it was at its best look.

    Mean squared error in pixels by Adam, whose step size falls to 0 along a cosine.

    Parameters
    ----------
    attacker : Attacker
        On the pairs' device.
    pairs : tuple[Pairs, Pairs]
        What it learns from, and what the best look is chosen by.
    settings : AttackSettings
        Steps, batch and step size.
    seed : int
        Of the batches.
    told : Callable[[], None]
        Called after each step.
    """
    learnt, kept = pairs
    optimiser = torch.optim.Adam(attacker.parameters(), settings.learning_rate)
    randomness = seeds.generator(seed, "informed-batches")
    steps = settings.informed_steps
    every = max(1, steps // _LOOKS)
    best, lowest = copy.deepcopy(attacker.state_dict()), _error(attacker, kept)
    for step in range(1, steps + 1):
        attacker.train()
        for group in optimiser.param_groups:
            group["lr"] = cosine(settings.learning_rate, step, steps)
        index = torch.randint(len(learnt), (settings.batch,), generator=randomness)
        rows = index.to(learnt.latents.device)
        loss = functional.mse_loss(attacker(learnt.latents[rows]), learnt.images[rows])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if step % every == 0 or step == steps:
            error = _error(attacker, kept)
            if error < lowest:
                best, lowest = copy.deepcopy(attacker.state_dict()), error
        told()
    attacker.load_state_dict(best)
    attacker.eval()


def _attackers(
    evidence: Evidence, learnt: Pairs, settings: AttackSettings, seed: int
) -> Iterator[tuple[str, Attacker]]:
    """Yield untrained attackers, and those in hand, with their names."""
    latent, image = _shape(learnt.latents), _shape(learnt.images)
    for shape in settings.decoder_shapes:
        own = seeds.derive(seed, f"informed-weights-{shape.name}")
        yield shape.name, by_channel(decoder.build(shape, latent, image, own), learnt.latents)
    for name in settings.small_networks:
        own = seeds.derive(seed, f"informed-weights-{name}")
        network: nn.Module = small_networks.build(name, latent, image, own)
        yield name, by_channel(network, learnt.latents)
    level = learnt.latents.square().mean().sqrt().view(1, 1, 1, 1)
    for number, trained in enumerate(evidence.decoders):
        network = copy.deepcopy(trained).requires_grad_(True).to(level.device)
        yield f"decoder {number} trained against", Attacker(network, torch.zeros_like(level), level)


def _error(attacker: Attacker, kept: Pairs) -> float:
    return float((attacker.reconstruct(kept.latents) - kept.images).square().mean())


def _shape(values: Tensor) -> tuple[int, int, int]:
    channels, height, width = values.shape[1:]
    return channels, height, width
