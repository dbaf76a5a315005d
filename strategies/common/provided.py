"""What a half gets beside its own settings: what it declared to need, and nothing else."""

from collections.abc import Mapping
from typing import Any, Protocol, final

import torch
from torch import Tensor

from strategies.common.adapters.settings import AdapterSettings
from strategies.common.agreed import Agreed, Need
from strategies.common.architecture import NO_MODEL, Architecture
from strategies.common.errors import DataError
from strategies.common.image_generator import ImageGenerator
from strategies.common.model import FeatureModel
from strategies.common.open_data import OpenData, OpenLabels, require_readable
from strategies.common.settings import RunSettings, Settings
from strategies.common.split.settings import SplitSettings
from strategies.common.task import Task


class ModelBuilder(Protocol):
    """Builds a model of the zoo by name for a task, on the CPU."""

    def __call__(
        self,
        name: str,
        task: Task,
        seed: int,
        *,
        feature_dim: int | None = None,
        to_be_loaded: bool = False,
    ) -> FeatureModel:
        """Return it, with weights from the seed unless a state is to be loaded into all of it.

        Without a width its features have that of the run.
        """
        ...


@final
class Provided:
    """What a half may ask for.

    Parameters
    ----------
    run : RunSettings
        General settings.
    settings : Settings
        The method's own.
    device : torch.device
        Where this side computes.
    offers : Mapping[Need, Any]
        What was declared: tables of settings as they are, and of the others a way to make
        them.
    """

    def __init__(
        self,
        run: RunSettings,
        settings: Settings,
        device: torch.device,
        offers: Mapping[Need, Any],
    ) -> None:
        self.run = run
        self.device = device
        self._settings = settings
        self._offers = offers
        self._generator: ImageGenerator | None = None
        self._open_data: OpenData | None = None
        self._agreed: Agreed | None = None

    @property
    def split(self) -> SplitSettings:
        """Settings of the network that is split; needs ``Need.SPLIT``."""
        table: SplitSettings = self._offer(Need.SPLIT)
        return table

    @property
    def adapters(self) -> AdapterSettings:
        """Settings of adapters; needs ``Need.ADAPTERS``."""
        table: AdapterSettings = self._offer(Need.ADAPTERS)
        return table

    @property
    def generator(self) -> ImageGenerator:
        """The run's image generator, built when first asked for; needs ``Need.GENERATOR``."""
        if self._generator is None:
            self._generator = self._offer(Need.GENERATOR)()
        return self._generator

    @property
    def open_data(self) -> OpenData:
        """The run's open data on the server; needs ``OPEN_DATA``.

        They are read once, before the first round.

        Raises
        ------
        DataError
            If clients' models cannot read them, or they are not those that the clients hold.
        """
        if self._open_data is None:
            self._open_data = self._offer(Need.OPEN_DATA)()
        require_readable(self._open_data, self.agreed.task.inputs, "server: ")
        # Where clients need none, there is nothing to agree on.
        expected, got = self.agreed.task.open_set, self._open_data.told
        if expected is not None and got != expected:
            raise DataError(
                f"server: setting open-data: expected the {expected} that clients hold, got {got}; "
                f"copy the same files to the server"
            )
        return self._open_data

    def open_labels(self, unless: str) -> Tensor:
        """Return the labels (samples,) int64 of the open data on the server.

        It needs ``OPEN_LABELS``.

        Parameters
        ----------
        unless : str
            Settings with which nobody reads them, for the error.

        Raises
        ------
        DataError
            If they are of other classes than the clients' data.
        """
        labels: OpenLabels = self._offer(Need.OPEN_LABELS)()
        theirs = self.agreed.task.meaning.class_names
        return labels.of_classes(theirs or labels.class_names, "server: ", unless)

    def build_model(
        self, name: str, task: Task, seed: int, *, to_be_loaded: bool = False
    ) -> FeatureModel:
        """Build a model of the zoo on the CPU; needs ``Need.MODELS``.

        Parameters
        ----------
        name : str
            As in the setting ``models``.
        task : Task
            What it must read, and its classes.
        seed : int
            Same seed, same weights.
        to_be_loaded : bool
            Whether a state is loaded into all of it: then no weights are drawn.

        Raises
        ------
        SettingsError
            If there is no such model.
        ModelError
            If it cannot read the task's inputs.
        """
        build: ModelBuilder = self._offer(Need.MODELS)
        return build(name, task, seed, to_be_loaded=to_be_loaded)

    def build_beside(self, *, to_be_loaded: bool = False) -> FeatureModel:
        """Build the model beside clients' own that the settings name, alike for all.

        It needs ``Need.MODELS``; see :meth:`build_model`.
        """
        return self._beside(self.agreed.task, self.run.seed, to_be_loaded=to_be_loaded)

    def _beside(self, task: Task, seed: int, *, to_be_loaded: bool) -> FeatureModel:
        named = self._settings.named_model(self.run)
        if named is None:
            raise TypeError(f"{self.run.method}: expected settings that name a model, got none")
        build: ModelBuilder = self._offer(Need.MODELS)
        width = named.feature_dim
        return build(named.name, task, seed, feature_dim=width, to_be_loaded=to_be_loaded)

    @property
    def agreed(self) -> Agreed:
        """What both sides know, from the moment at which the clients' task is known."""
        if self._agreed is None:
            raise RuntimeError("a half was asked to work before its clients agreed on a task")
        return self._agreed

    def agree(self, task: Task) -> Agreed:
        """Take note of the task; called by the core alone."""
        tables = {
            need: self._offers[need] for need in (Need.SPLIT, Need.ADAPTERS) if need in self._offers
        }
        named, beside = self._settings.named_model(self.run), NO_MODEL
        if named is not None:
            beside = Architecture.of(self._beside(task, 0, to_be_loaded=True), named.name)
        self._agreed = Agreed(task, self.run, self._settings, tables, beside=beside)
        return self._agreed

    def _offer(self, need: Need) -> Any:
        if need not in self._offers:
            raise TypeError(
                f"expected Need.{need.name} among the needs that this half declares, which gives "
                f"it {need.value}"
            )
        return self._offers[need]
