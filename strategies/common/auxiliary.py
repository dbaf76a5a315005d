"""Settings of methods whose clients all have a second, small model alike beside their own."""

from strategies.common.settings import NamedModel, RunSettings, Settings


class AuxiliarySettings(Settings):
    """Which model that is.

    Attributes
    ----------
    model : str
        One of ``models`` or of the zoo; empty takes the first of ``models``.
    """

    model: str

    def named_model(self, run: RunSettings) -> NamedModel:
        """Return the model that all have alike."""
        first = run.models.partition(",")[0].strip()
        return NamedModel(f"{run.method}.model", self.model or first)
