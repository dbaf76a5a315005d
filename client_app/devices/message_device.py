"""A client with a model of its own."""

from functools import cached_property
from typing import final

from client_app.devices.data_device import DataDevice
from models import catalogue
from strategies.common import seeds
from strategies.common.model import FeatureModel
from strategies.common.task import Task


@final
class LocalDevice(DataDevice):
    """Satisfies ``strategies.common.device.MessageDevice``."""

    @property
    def model_name(self) -> str:
        """Name of the client's architecture, for journal and report."""
        return catalogue.shown(self._chosen)

    @cached_property
    def task(self) -> Task:
        """Shape of the task as this client's data and model have it."""
        shape = self.data_task(self.settings.feature_dim)
        if shape.feature_dim:
            return shape
        return self.data_task(self._build(shape).feature_dim)

    def build_model(self) -> FeatureModel:
        """Build this client's own architecture with fresh, seeded weights."""
        return self._build(self.task).to(self.torch_device)

    def _build(self, task: Task) -> FeatureModel:
        seed = seeds.derive(self.settings.seed, "model", partition=self.partition)
        return catalogue.build(self._chosen, task, self.settings.feature_dim, seed)

    @cached_property
    def _chosen(self) -> str:
        """What the client holds: the node's own model, or its turn in the run's."""
        names = catalogue.check(self.node.model or self.settings.models)
        return catalogue.dealt(names, self.partition)
