"""A client with a model of its own."""

from functools import cached_property
from typing import final

from client_app.devices.data_device import DataDevice
from models import catalogue, weights
from strategies.common import seeds
from strategies.common.model import FeatureModel
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
    """

    begins = True
    known_task: Task | None = None

    @property
    def model_name(self) -> str:
        """Name of the client's architecture, for journal and report."""
        return catalogue.shown(self.chosen)

    @cached_property
    def task(self) -> Task:
        """Shape of the task as this client's data and model have it."""
        if self.known_task is not None:
            return self.known_task
        shape = self.data_task(self.settings.feature_dim)
        if shape.feature_dim:
            return shape
        return self.data_task(self._build(shape).feature_dim)

    def build_model(self) -> FeatureModel:
        """Build this client's own architecture with the weights that it starts from.

        Where a state that was kept is loaded into it next, its weights are none yet.
        """
        if self.begins:
            return self.first_model()[0]
        return self._build(self.task, to_be_loaded=True).to(self.torch_device)

    def first_model(self) -> tuple[FeatureModel, tuple[str, ...]]:
        """Build the client's model as it starts, and say what of given weights it has.

        Raises
        ------
        ModelError
            If the weights cannot be had, or do not fit.
        """
        model = self._build(self.task)
        notes = weights.load(model, self.chosen, self.settings.weights)
        return model.to(self.torch_device), notes

    def _build(self, task: Task, *, to_be_loaded: bool = False) -> FeatureModel:
        seed = seeds.derive(self.settings.seed, "model", partition=self.partition)
        width = self.settings.feature_dim
        return catalogue.build(self.chosen, task, width, seed, to_be_loaded=to_be_loaded)

    @cached_property
    def chosen(self) -> str:
        """What the client holds: the node's own model, or its turn in the run's."""
        names = catalogue.check(self.node.model or self.settings.models)
        return catalogue.dealt(names, self.partition)
