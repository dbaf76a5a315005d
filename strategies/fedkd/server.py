"""FedKD on the server: the mean of all changes, approximated anew."""

from collections.abc import Mapping, Sequence
from typing import Final, final

from strategies.common.averaging import average
from strategies.common.mutual import LOSSES
from strategies.common.numbered_changes import NumberedChangesServer, NumberedModel
from strategies.common.presentation import Measured, Presentation, Setting
from strategies.common.round import Aggregated, Reply
from strategies.fedkd.settings import FedKDSettings
from strategies.fedkd.wire import WIRE, Mentee, Update

_MEASURED: Final = Measured(
    "What travels of the mentee's numbers",
    {"sent_up": "mean of the clients", "sent_down": "the mean, approximated anew"},
    "Good: well below 1; at 1 nothing is saved.",
    share=True,
)
_HIDDEN: Final = Measured(
    "Distance of the mentee's features, mapped, from the mentor's (mean squares)",
    {"hidden": "hidden loss"},
    "Good: falling from round to round.",
)


@final
class FedKDServer(NumberedChangesServer[FedKDSettings, Mentee, Update]):
    """Averages changes of the mentee."""

    wire = WIRE

    @classmethod
    def presentation(cls, settings: Mapping[str, Setting]) -> Presentation:
        """State what is measured of two models and of their factors."""
        whole = settings.get("factorise") == "parameters"
        variant = "with parameters factorised" if whole else ""
        return Presentation(variant=variant, measured=(_MEASURED,), losses=(*LOSSES, _HIDDEN))

    def are_changes(self) -> bool:
        """Tell whether updates are factorised, and not parameters."""
        return self.settings.factorise == "update"

    def aggregate(
        self, state: NumberedModel, round_number: int, replies: Sequence[Reply[Update]]
    ) -> Aggregated:
        """Average what was sent, approximate it anew, and change the mentee by what will arrive."""
        if not replies:
            return Aggregated()
        sent = [reply.uplink for reply in replies]
        weights = [self.settings.weight(reply) for reply in replies]
        mean = average([one.restored(self.agreed) for one in sent], weights)
        statistics = average([one.statistics for one in sent], weights)
        energy = self.settings.energy(round_number, self.agreed.run.rounds)
        self.take(state, Update.of(mean, statistics, energy, self.agreed), replies)
        share = 1 / len(state.parameters)
        up = share * sum(len(one.numbers) for one in sent) / len(sent)
        return Aggregated({"sent_up": up, "sent_down": share * len(state.numbers)})
