"""A client that holds a frozen foundation model and trains adapters on it."""

from dataclasses import replace
from functools import cached_property
from typing import final

from client_app.backbones import loading
from client_app.devices.data_device import DataDevice
from client_app.node import NodeConfig, state_folder
from strategies.common.adapters.backbone import Backbone
from strategies.common.adapters.halves import AnyAdapterClientHalf
from strategies.common.settings import RunSettings
from strategies.common.task import Task


@final
class LocalAdapterDevice(DataDevice):
    """Satisfies ``strategies.common.device.AdapterDevice``.

    Parameters
    ----------
    half : AdapterClientHalf
        The method, which says which model it adapts and where.
    node, settings, round_number
        As of :class:`DataDevice`.
    """

    asks_questions = True

    def __init__(
        self,
        half: AnyAdapterClientHalf,
        node: NodeConfig,
        settings: RunSettings,
        round_number: int,
    ) -> None:
        super().__init__(node, settings, round_number)
        self._half = half

    @property
    def model_name(self) -> str:
        """Name of the foundation model."""
        return self._half.provided.adapters.model_name

    @property
    def image_size(self) -> int:
        """Side in pixels: what is set, or what the foundation model reads."""
        return self.settings.image_size or self.backbone.image_size

    @cached_property
    def task(self) -> Task:
        """Shape of the task, with the foundation model in it."""
        foundation = self._half.foundation(self.backbone)
        return replace(self.data_task(self.backbone.feature_dim), foundation=foundation)

    @cached_property
    def backbone(self) -> Backbone:
        """Frozen foundation model, loaded once per process.

        Raises
        ------
        SettingsError
            If the data hold no questions, before gigabytes are loaded in vain.
        ModelError
            If it cannot be loaded.
        """
        self.require_kind()
        kept = loading.cache_folder(state_folder(self.node, self.settings))
        return loading.load(self._half.provided.adapters.backbone, self.torch_device, kept)
