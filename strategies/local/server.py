"""The server half of Local: it sends nothing, keeps nothing and receives nothing."""

from collections.abc import Mapping, Sequence
from typing import final

from strategies.common.message import MessageServer, NoState
from strategies.common.payload import Payload
from strategies.common.presentation import Presentation, Setting
from strategies.common.round import Aggregated, Reply
from strategies.local.settings import LocalSettings


@final
class LocalServer(MessageServer[LocalSettings, NoState, Payload, Payload]):
    """Lets every client be."""

    @classmethod
    def presentation(cls, settings: Mapping[str, Setting]) -> Presentation:
        """State that no client learns from another."""
        return Presentation(alone=True)

    def aggregate(
        self,
        state: NoState,
        round_number: int,
        replies: Sequence[Reply[Payload]],
    ) -> Aggregated:
        """Have nothing to say of the round."""
        return Aggregated()
