"""A client with a model of its own."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from types import MappingProxyType
from typing import Self, final

from torch import Tensor

from client_app.data import open_set
from client_app.devices.data_device import DataDevice
from client_app.devices.generated import Generated
from models import catalogue, weights
from strategies.common import seeds
from strategies.common.architecture import Architecture
from strategies.common.channel_scale import ChannelScale
from strategies.common.errors import DataError
from strategies.common.inputs import Windows
from strategies.common.model import FeatureModel
from strategies.common.open_data import OpenData, require_readable
from strategies.common.samples import Samples
from strategies.common.settings import RunSettings
from strategies.common.task import Task


@final
class LocalDevice(DataDevice):
    """Satisfies ``strategies.common.device.MessageDevice``.

    Attributes
    ----------
    begins : bool
        Whether the model is one to start from, and no place for a state that was kept.
    known_task : Task | None
        The task, where a state tells it and the data need not be read for it.
    asks_about_open_data : bool
        Whether the method does.
    augmented : Generated | None
        What it learns from beside its own samples.
    kept_scale : Mapping[str, Tensor]
        By what its windows have been normalised since it first learnt, where a state tells it.
    """

    begins = True
    known_task: Task | None = None
    asks_about_open_data = False
    augmented: Generated | None = None
    kept_scale: Mapping[str, Tensor] = MappingProxyType({})

    @property
    def model_name(self) -> str:
        """Name of the client's architecture, for journal and report."""
        return catalogue.shown(self.chosen)

    @cached_property
    def own_train(self) -> Samples:
        """The client's own samples to learn from, without those held out."""
        return self._normalised(super().train)

    @cached_property
    def train(self) -> Samples:
        """Samples to learn from: its own, and those that were generated."""
        own = self.own_train
        return own if self.augmented is None else own.joined(self.augmented.samples)

    @cached_property
    def test(self) -> Samples:
        """Samples that are never trained on."""
        return self._normalised(super().test)

    def validating(self) -> Self:
        """Return this client with the training samples held out in the place of its test's."""
        twin = super().validating()
        vars(twin).pop("test", None)
        return twin

    @cached_property
    def scale(self) -> ChannelScale | None:
        """By what the client's windows are normalised, if they are.

        What it first learnt from decides: samples that come later do not change what its model
        reads. It is this client's own, and stays on the device.

        Raises
        ------
        StoreError
            If it goes on from a state that does not hold it.
        """
        if self.settings.normalise == "none":
            return None
        if self.begins:
            return ChannelScale.of(super().train.inputs)
        return ChannelScale.kept(self.kept_scale, self.data.train.inputs.shape[1])

    def _normalised(self, samples: Samples) -> Samples:
        if self.scale is None or not len(samples):
            return samples
        return replace(samples, inputs=self.scale(samples.inputs))

    @cached_property
    def task(self) -> Task:
        """Shape of the task as this client's data and model have it."""
        if self.known_task is not None:
            return self.known_task
        shape = self.data_task(self.settings.feature_dim)
        if shape.feature_dim:
            return shape
        return self.data_task(self._build(shape).feature_dim)

    @cached_property
    def open_data(self) -> OpenData:
        """The run's open data, as this client's model reads them."""
        held = self._open_data
        return held if self.scale is None else replace(held, inputs=self.scale(held.inputs))

    @cached_property
    def _open_data(self) -> OpenData:
        """The run's open data, as this device holds them."""
        return open_set.load(self._open_settings, self._open_source, self.prepared)

    def open_notes(self) -> tuple[str, ...]:
        """Return what is to be told of the open data beside this client's own."""
        if not self.asks_about_open_data:
            return ()
        return open_set.beside(
            self._open_settings,
            self._open_source,
            self.prepared,
            self.node.data or self.settings.data,
            self.data.words,
            self.data.train.inputs,
            self.data.test.inputs,
        )

    def open_labels(self, unless: str) -> Tensor:
        """Return the labels of the open data, of the classes of this client's own data."""
        labels = open_set.labels(self._open_settings, self._open_source, self.prepared)
        return labels.of_classes(self.data.class_names, "", unless)

    @property
    def _open_settings(self) -> RunSettings:
        """The run's own columns: open data are the same file everywhere, words' file may not be."""
        return self.node.reading(self.settings, ("vocabulary_file",))

    @property
    def _open_source(self) -> str:
        return self.node.open_data or self.settings.open_data

    def data_task(self, feature_dim: int) -> Task:
        """Return the task as the data have it, with a width of features."""
        shape = super().data_task(feature_dim)
        if self.settings.normalise != "none" and not isinstance(shape.inputs, Windows):
            raise DataError(
                f'setting normalise: expected "none" for inputs that are no windows of sensor '
                f"readings, got {self.settings.normalise!r} for {shape.inputs}; set it to "
                f'"none": images are scaled by their bytes, and tokens are looked up'
            )
        if not self.asks_about_open_data:
            return shape
        open_set.require_apart(self._open_source, self.node.data or self.settings.data)
        require_readable(self._open_data, shape.inputs)
        return replace(shape, open_set=self._open_data.told)

    @cached_property
    def architecture(self) -> Architecture:
        """What this client's model holds."""
        return Architecture.of(self._build(self.task, to_be_loaded=True))

    def build_model(self, *, alike: bool = False) -> FeatureModel:
        """Build this client's own architecture with the weights that it starts from.

        Where a state that was kept is loaded into it next, its weights are none yet.

        Parameters
        ----------
        alike : bool
            Whether all clients of this architecture start from the same weights.
        """
        if self.begins:
            return self.first_model(alike=alike)[0]
        return self._build(self.task, to_be_loaded=True).to(self.torch_device)

    def first_model(self, *, alike: bool = False) -> tuple[FeatureModel, tuple[str, ...]]:
        """Build the client's model as it starts, and say what of given weights it has.

        Parameters
        ----------
        alike : bool
            As of :meth:`build_model`.

        Raises
        ------
        ModelError
            If the weights cannot be had, or do not fit.
        """
        model = self._build(self.task, alike=alike)
        notes = weights.load(model, self.chosen, self.settings.weights)
        return model.to(self.torch_device), notes

    def _build(
        self, task: Task, *, to_be_loaded: bool = False, alike: bool = False
    ) -> FeatureModel:
        alike = alike or self.settings.initial_weights == "alike"
        whose = seeds.EVERYONE if alike else self.partition
        seed = seeds.derive(self.settings.seed, "model", partition=whose)
        width = self.settings.feature_dim
        return catalogue.build(self.chosen, task, width, seed, to_be_loaded=to_be_loaded)

    @cached_property
    def chosen(self) -> str:
        """What the client holds: the node's own model, or its turn in the run's."""
        names = catalogue.check(self.node.model or self.settings.models)
        return catalogue.dealt(names, self.partition)
