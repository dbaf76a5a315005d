"""One pretraining put together: the cut network, the server's part and the images."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import nn

from strategies.common.agreed import Need
from strategies.common.errors import SettingsError
from strategies.common.provided import Provided
from strategies.common.settings import RunSettings
from strategies.common.split.networks.of_run import client_part
from strategies.common.split.networks.stacked import StackedModels
from strategies.common.split.settings import SplitSettings
from strategies.common.task import Task
from strategies.common.transport.compute import torch_device
from strategies.mocosfl.engine import MocoSFLEngine
from strategies.mocosfl.figures import collapse_notes, spread
from strategies.mocosfl.members import augmentation
from strategies.mocosfl.server import MocoSFLServer
from strategies.mocosfl.settings import (
    MocoSFLSettings,
    is_symmetric,
    projection_dim,
    projection_hidden,
)
from strategies.mocosfl.taressfl.expert import Description, Expert, Provenance
from strategies.mocosfl.taressfl.structure import structure
from taressfl.decoder import Decoder
from taressfl.examination import Examination
from taressfl.pretraining import Material, Pretraining, Similarity
from taressfl.settings import PretrainingSettings


@final
@dataclass(frozen=True)
class Recipe:
    """All settings of a pretraining.

    Attributes
    ----------
    run : RunSettings
        Seed, and the device to compute on (``server_device``).
    split : SplitSettings
        The network and its cut.
    mocosfl : MocoSFLSettings
        How to contrast; without an expert.
    pretraining : PretrainingSettings
        How to train against decoders.
    task : Task
        Shape of an image.
    """

    run: RunSettings
    split: SplitSettings
    mocosfl: MocoSFLSettings
    pretraining: PretrainingSettings
    task: Task


@final
@dataclass(frozen=True)
class Epoch:
    """What one epoch came to.

    Attributes
    ----------
    similarity : Similarity
        How the adversary fared.
    loss : float
        Mean of the contrastive loss in nats.
    contrast_accuracy : float
        Part of the queries that found their key.
    notes : tuple[str, ...]
        Whether the contrast collapsed, in plain sentences.
    """

    similarity: Similarity
    loss: float
    contrast_accuracy: float
    notes: tuple[str, ...]


@final
class Session:
    """A pretraining, epoch by epoch, with the weights that a run of the same seed starts from.

    Parameters
    ----------
    recipe : Recipe
        How to train.
    material : Material
        Images, of the task's shape.

    Attributes
    ----------
    front : nn.Module
        Client model.
    state : MocoSFLServerState
        The server's part; its client model is the one at the start.

    Raises
    ------
    SettingsError
        If the settings name an expert, or the network cannot be built.
    DataError
        If the images cannot be trained on.
    """

    def __init__(self, recipe: Recipe, material: Material) -> None:
        if recipe.mocosfl.frozen:
            raise SettingsError(
                f"setting mocosfl.expert: expected none for a pretraining, which makes one, got "
                f"{recipe.mocosfl.expert!r}"
            )
        self._recipe = recipe
        self.device = torch_device(recipe.run.server_device, "server-device")
        offers = {Need.SPLIT: recipe.split}
        provided = Provided(recipe.run, recipe.mocosfl, self.device, offers)
        provided.agree(recipe.task)
        self.state = MocoSFLServer(recipe.mocosfl, provided).start()
        part = client_part(recipe.split, recipe.task, recipe.run.seed)
        self.front: nn.Module = part.front.to(self.device)
        self._pretraining = Pretraining(
            self.front,
            material,
            recipe.pretraining,
            augmentation(recipe.mocosfl),
            ema=recipe.mocosfl.ema,
            warmup_steps=recipe.mocosfl.warmup_steps,
            seed=recipe.run.seed,
            device=self.device,
        )

    @property
    def decoders(self) -> tuple[Decoder, ...]:
        """What the client model is trained against; none where it is not defended."""
        return self._pretraining.decoders

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole pretraining."""
        return self._recipe.pretraining.epochs * self._pretraining.steps_per_epoch

    def epoch(self, number: int, told: Callable[[], None]) -> Epoch:
        """Train for one epoch.

        Parameters
        ----------
        number : int
            Which one, from 1.
        told : Callable[[], None]
            Called after each step.

        Raises
        ------
        ModelError
            If training diverges.
        """
        mocosfl, task = self._recipe.mocosfl, self._recipe.task
        plan = self._pretraining.plan(number)
        # All that lasts is in the state; an engine of its own gives each epoch its figures.
        engine = MocoSFLEngine(self.state, plan, mocosfl, self.steps, task.num_classes)
        similarity = self._pretraining.epoch(number, engine, told)
        means = engine.figures.means()
        numbers = {**means, "key_spread": spread(self.state.memory.keys())}
        terms = 2 if is_symmetric(mocosfl) else 1
        # Rows that the memory starts with are spread as no keys are.
        full = int(self.state.memory.written) >= mocosfl.memory_size
        notes = collapse_notes(numbers, mocosfl.memory_size, terms) if full else ()
        return Epoch(similarity, means["loss"], means["contrast_accuracy"], notes)

    def expert(self, provenance: Provenance, examination: Examination) -> Expert:
        """Return what was learnt, described and with its verdict."""
        recipe = self._recipe
        hidden, dim = projection_hidden(recipe.mocosfl), projection_dim(recipe.mocosfl)
        fronts = StackedModels(self.front, batched=False)
        return Expert(
            description=Description(
                structure=structure(recipe.split, recipe.task, hidden, dim),
                provenance=provenance,
                verdict=examination.verdict,
            ),
            front=fronts.vector(self.front),
            momentum_front=fronts.vector(self._pretraining.momentum),
            online=self.state.online.state_dict(),
            momentum=self.state.momentum.state_dict(),
            pictures=torch.stack([picture.pixels for picture in examination.pictures]),
        )
