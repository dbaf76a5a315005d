"""FML on the server: the mean of all memes."""

from collections.abc import Mapping
from typing import ClassVar, final

from strategies.common.agreed import Need
from strategies.common.averaged import AveragingServer
from strategies.common.mutual import LOSSES
from strategies.common.presentation import Presentation, Setting
from strategies.common.round import Reply
from strategies.fml.settings import FMLSettings
from strategies.fml.wire import WIRE, Meme


@final
class FMLServer(AveragingServer[FMLSettings, Meme]):
    """Averages memes (algorithm 1)."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.MODELS})
    wire = WIRE

    @classmethod
    def presentation(cls, settings: Mapping[str, Setting]) -> Presentation:
        """State which losses there are beside the client's own."""
        return Presentation(losses=LOSSES)

    def weight(self, reply: Reply[Meme]) -> float:
        """Weigh clients alike, or by samples."""
        return self.settings.weight(reply)
