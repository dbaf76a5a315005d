"""What both sides of a run know before anything travels, and what halves may ask for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, final

from torch import nn

from strategies.common.adapters.settings import AdapterSettings
from strategies.common.architecture import NO_MODEL, Architecture
from strategies.common.errors import ModelError
from strategies.common.open_data import OpenSet
from strategies.common.run_config import AnySettings
from strategies.common.settings import RunSettings, Settings
from strategies.common.split.settings import SplitSettings
from strategies.common.task import Task


@final
class Need(Enum):
    """What a half asks for beside the run's settings and its own."""

    SPLIT = "the settings of the network that is split"
    ADAPTERS = "the settings of adapters"
    GENERATOR = "an image generator"
    MODELS = "models of the zoo by name"
    OPEN_DATA = "samples without labels that all hold"
    OPEN_LABELS = "their labels, for settings that ask for them"


@final
@dataclass(frozen=True)
class Agreed:
    """What server and device know alike; the sizes of payloads follow from it.

    Attributes
    ----------
    task : Task
        What the clients learn.
    run : RunSettings
        General settings.
    settings : Settings
        The method's own; what the server resolved stands in them on both sides.
    tables : Mapping[Need, Settings]
        Settings that methods of a kind share.
    architecture : Architecture
        What the model holds of the client that a message goes to or comes from; of no payload but
        those that follow it (``Payload.follows_model``).
    beside : Architecture
        What the model holds that the method's settings name beside clients' own.
    """

    task: Task
    run: RunSettings
    settings: Any
    tables: Mapping[Need, Settings] = field(default_factory=dict)
    architecture: Architecture = NO_MODEL
    beside: Architecture = NO_MODEL

    @property
    def feature_dim(self) -> int:
        """Width of all clients' features.

        Raises
        ------
        ModelError
            If the clients' features differ in width.
        """
        if not self.task.feature_dim:
            raise ModelError(
                f"{self.run.method}: expected features of one width from all clients, got several; "
                f"set feature-dim to the width that all models' features are pooled to"
            )
        return self.task.feature_dim

    @property
    def head(self) -> Architecture:
        """What the last layer of all clients' models holds, which maps features to classes."""
        return Architecture.planned(lambda: nn.Linear(self.feature_dim, self.task.num_classes))

    @property
    def open_set(self) -> OpenSet:
        """The open data that all hold.

        Raises
        ------
        ModelError
            If there are none.
        """
        if self.task.open_set is None:
            raise ModelError(
                f"{self.run.method}: expected open data that all clients hold, got none; set "
                f"open-data"
            )
        return self.task.open_set

    @property
    def split(self) -> SplitSettings:
        """Settings of the network that is split."""
        return _typed(self.tables.get(Need.SPLIT), SplitSettings)

    @property
    def adapters(self) -> AdapterSettings:
        """Settings of adapters."""
        return _typed(self.tables.get(Need.ADAPTERS), AdapterSettings)


def _typed(table: Settings | None, kind: type[AnySettings]) -> AnySettings:
    if not isinstance(table, kind):
        raise TypeError(f"expected {kind.__name__} among the needs of this method, got none")
    return table
