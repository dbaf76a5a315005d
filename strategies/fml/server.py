"""FML on the server: the mean of all memes."""

from collections.abc import Mapping
from typing import final

from strategies.common.auxiliary import AuxiliaryServer
from strategies.common.mutual import LOSSES
from strategies.common.presentation import Presentation, Setting
from strategies.fml.settings import FMLSettings
from strategies.fml.wire import WIRE, Meme


@final
class FMLServer(AuxiliaryServer[FMLSettings, Meme]):
    """Averages memes (algorithm 1)."""

    wire = WIRE

    @classmethod
    def presentation(cls, settings: Mapping[str, Setting]) -> Presentation:
        """State which losses there are beside the client's own."""
        return Presentation(losses=LOSSES)
