"""Settings of methods whose clients test with the mean of all, or with what they made of it."""

from typing import Literal

from strategies.common.settings import Settings
from strategies.common.tested import Tested


class TestedMeanSettings(Settings):
    """Which of them.

    Attributes
    ----------
    test : str
        ``"aggregated"`` tests with the mean, ``"trained"`` with what the client made of the last
        one.
    """

    test: Literal["aggregated", "trained"]

    def testing(self, usual: Tested) -> Tested:
        """Return the usual test, unless a client's own is asked for."""
        return Tested.TRAINED if self.test == "trained" else usual
