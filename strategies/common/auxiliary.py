"""Settings of methods whose clients all have a second, small model alike beside their own."""

from strategies.common.settings import RunSettings, Settings


class AuxiliarySettings(Settings):
    """Which model that is.

    Attributes
    ----------
    model : str
        One of ``models`` or of the zoo; empty takes the first of ``models``.
    """

    model: str

    def named_model(self, run: RunSettings) -> tuple[str, str]:
        """Return the model that all have alike."""
        return f"{run.method}.model", self.model or run.models.partition(",")[0].strip()
