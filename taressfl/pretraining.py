"""Pretraining of a client model at the server: contrast on one side, decoders on the other.

TAResSFL's first stage (Li, Lyu, Iso, Chakrabarti, Spranger: "MocoSFL: enabling
cross-client collaborative self-supervised learning", ICLR 2023,
https://openreview.net/forum?id=2QGJXyMNoPz). It is MocoSFL with a single client that holds
all images: the method's own engine contrasts, and the client model follows the sum of the
engine's gradient and of the push away from what a decoder can read.

Deviations: decoders with group normalisation, several steps each, several side by side and
replaced in turn (``adversary.py``); their step size stays, since none lives long.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from strategies.common import seeds
from strategies.common.errors import DataError, ModelError
from strategies.common.split import augment, batches
from strategies.common.split.augment import Augmentation
from strategies.common.split.engine import Engine
from strategies.common.split.plan import TrainingPlan
from strategies.mocosfl.network import follow
from strategies.mocosfl.schedule import cosine, warmup
from taressfl.adversary import Adversary
from taressfl.decoder import Decoder
from taressfl.intercept import to_unit
from taressfl.settings import PretrainingSettings

# The engine's single cohort with its single client.
_COHORT = 0
_CLIENT = 0
# Who draws which batches.
_TARGET, _AUXILIARY = 0, 1


@final
@dataclass(frozen=True)
class Material:
    """Unlabelled images to pretrain on, raw as ``Samples`` hold them and of one shape.

    Attributes
    ----------
    target : Tensor
        (images, channels, height, width) like the clients' own; may hold none.
    auxiliary : Tensor
        (images, channels, height, width) of another kind; at least one. A pass over these
        is an epoch, through which the fewer target images are shown again and again.
    """

    target: Tensor
    auxiliary: Tensor

    def rows(self, batch: int) -> int:
        """Return how many images one step shows, of both kinds together."""
        return 2 * batch if len(self.target) else batch


@final
@dataclass(frozen=True)
class Similarity:
    """How the adversary fared in an epoch.

    Attributes
    ----------
    mean : float
        Of the best decoder's similarity, over steps.
    pushed : float
        Part of the steps in which it was above what is allowed.
    """

    mean: float
    pushed: float


@final
class Pretraining:
    """A client model in training.

    Parameters
    ----------
    front : nn.Module
        Client model, trained in place; on ``device``.
    material : Material
        Images.
    settings : PretrainingSettings
        How to train; ``ssim_weight`` 0 needs no adversary and builds none.
    augmentation : Augmentation
        How views are drawn.
    ema : float
        Part of the momentum client model that stays in every step (tau).
    warmup_steps : int
        Steps over which the step size rises at the start, as the engine's does; 0 for none.
    seed : int
        Root of all randomness.
    device : torch.device
        Where to compute.

    Attributes
    ----------
    momentum : nn.Module
        The client model's momentum copy.

    Raises
    ------
    DataError
        If there is no auxiliary image, or target and auxiliary images differ in shape.
    """

    def __init__(
        self,
        front: nn.Module,
        material: Material,
        settings: PretrainingSettings,
        augmentation: Augmentation,
        *,
        ema: float,
        warmup_steps: int,
        seed: int,
        device: torch.device,
    ) -> None:
        _check(material)
        self._front = front
        self._material = material
        self._settings = settings
        self._augmentation = augmentation
        self._ema = ema
        self._warmup_steps = warmup_steps
        self._seed = seed
        self._device = device
        self.momentum = copy.deepcopy(front).requires_grad_(False)
        self._optimiser = torch.optim.SGD(
            front.parameters(),
            settings.learning_rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
        )
        self._adversary = self._build_adversary() if settings.ssim_weight else None

    @property
    def decoders(self) -> tuple[Decoder, ...]:
        """What the client model is trained against; none where it is not defended."""
        return self._adversary.decoders if self._adversary else ()

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps of one epoch."""
        return batches.steps_per_pass(len(self._material.auxiliary), self._settings.batch)

    def plan(self, number: int) -> TrainingPlan:
        """Return the plan of one epoch, from 1: the steps of a single client.

        Its batch is what one step shows of both kinds of images.
        """
        return TrainingPlan(
            first_step=(number - 1) * self.steps_per_epoch + 1,
            steps=self.steps_per_epoch,
            batch=self._material.rows(self._settings.batch),
            cohorts=((_CLIENT,),),
        )

    def epoch(self, number: int, engine: Engine, told: Callable[[], None]) -> Similarity:
        """Train for one epoch.

        Parameters
        ----------
        number : int
            Which one, from 1.
        engine : Engine
            The server's part, at work on :meth:`plan`.
        told : Callable[[], None]
            Called after each step.

        Raises
        ------
        ModelError
            If training diverges.
        """
        rate = cosine(self._settings.learning_rate, number, self._settings.epochs)
        similarities = []
        for step in self.plan(number).step_numbers:
            for group in self._optimiser.param_groups:
                group["lr"] = rate * warmup(step, self._warmup_steps)
            similarities.append(self._step(step, engine))
            told()
        count = len(similarities)
        above = sum(similarity > self._settings.ssim_target for similarity in similarities)
        return Similarity(
            mean=sum(similarities) / count,
            pushed=above / count if self._adversary else 0.0,
        )

    def _step(self, step: int, engine: Engine) -> float:
        """Train on one batch and return the adversary's similarity; 0 without one."""
        query_view, key_view = self._views(step)
        query = self._front(query_view)
        follow(self.momentum.parameters(), self._front.parameters(), self._ema)
        with torch.no_grad():
            key = self.momentum(key_view)
        similarity, push = self._oppose(query.detach(), to_unit(query_view))
        # The engine's gradient is of the mean over this one client's batch.
        arrived = {_CLIENT: (query.detach(), key)}
        gradient = engine.advance(step, _COHORT, arrived)[_CLIENT]
        engine.finish(step)
        total = gradient if push is None else gradient + push
        if not bool(torch.isfinite(total).all()):
            raise ModelError(
                f"pretraining diverged in step {step}: a gradient is not finite; lower the "
                f"learning rate, now {self._settings.learning_rate}"
            )
        self._optimiser.zero_grad(set_to_none=True)
        query.backward(total)
        self._optimiser.step()
        return similarity

    def _oppose(self, latents: Tensor, images: Tensor) -> tuple[float, Tensor | None]:
        if self._adversary is None:
            return 0.0, None
        self._adversary.learn(latents, images)
        return self._adversary.push(latents, images)

    def _views(self, step: int) -> tuple[Tensor, Tensor]:
        """Return two views (samples, channels, height, width) of one batch, target first."""
        raw = torch.cat(
            [
                self._batch(self._material.target, step, _TARGET),
                self._batch(self._material.auxiliary, step, _AUXILIARY),
            ]
        ).to(self._device)
        randomness = seeds.generator(self._seed, "pretraining-views", round_number=step)
        query, key = (
            augment.apply(
                raw, augment.draw(len(raw), self._augmentation, randomness), self._augmentation
            )
            for _ in range(2)
        )
        return query, key

    def _batch(self, images: Tensor, step: int, kind: int) -> Tensor:
        if not len(images):
            return images
        return images[batches.rows(len(images), self._settings.batch, step, self._seed, kind)]

    @torch.no_grad()
    def _build_adversary(self) -> Adversary:
        channels, height, width = self._material.auxiliary.shape[1:]
        probe = torch.zeros(1, channels, height, width, device=self._device)
        latent = self._front(probe).shape[1:]
        return Adversary(
            self._settings,
            (latent[0], latent[1], latent[2]),
            (channels, height, width),
            seeds.derive(self._seed, "adversary"),
            self._device,
        )


def _check(material: Material) -> None:
    if not len(material.auxiliary):
        raise DataError("pretraining: expected auxiliary images, got none; name another source")
    auxiliary, target = material.auxiliary, material.target
    if len(target) and (target.shape[1:], target.dtype) != (auxiliary.shape[1:], auxiliary.dtype):
        raise DataError(
            f"pretraining: expected target and auxiliary images of one shape, got "
            f"{tuple(target.shape[1:])} {target.dtype} and {tuple(auxiliary.shape[1:])} "
            f"{auxiliary.dtype}; bring both to the same channels and side"
        )
