"""Settings of Local: none; it has no table in the run config."""

from typing import final

from strategies.common.settings import Settings


@final
class LocalSettings(Settings):
    """Nothing to set: epochs, batch size and learning rate are general settings."""
