"""A server that averages what clients send and gives the average to all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast, final

from torch import Tensor

from strategies.common.averaging import average
from strategies.common.magnitudes import Size, sizes_of
from strategies.common.message import MessageServer
from strategies.common.method import MethodSettings
from strategies.common.payload import Payload, rules_of
from strategies.common.round import Aggregated, Reply

Sent = TypeVar("Sent", bound=Payload)


@final
@dataclass
class AverageState:
    """The average of the last round that had replies.

    Attributes
    ----------
    fields : dict[str, Tensor]
        Tensors of the payload by name; empty before the first replies.
    """

    fields: dict[str, Tensor] = field(default_factory=dict)


class AveragingServer(
    MessageServer[MethodSettings, AverageState, Sent, Sent], Generic[MethodSettings, Sent]
):
    """Averages field by field, each client weighed by its training samples.

    ``wire`` names one class of payload for both directions, whose numbers have a mean: floats
    along axes of exact length.
    """

    state = AverageState

    def start(self) -> AverageState:
        """Return no average.

        Raises
        ------
        TypeError
            If what ``wire`` names cannot be averaged.
        """
        kind = self.wire.up
        if kind is None or kind is not self.wire.down:
            raise TypeError(
                f"{type(self).__name__}.wire: expected one payload in both directions, got "
                f"{self.wire}"
            )
        exact = kind.sizes(self.agreed).exact
        for name, rule in rules_of(kind).items():
            if rule.kind != "float" or rule.optional or not set(rule.axes) <= set(exact):
                raise TypeError(
                    f"{kind.__name__}.{name}: expected floats along axes of exact length, which "
                    f"have a mean, got {rule}"
                )
        return AverageState()

    def broadcast(self, state: AverageState) -> Sent | None:
        """Return the average, where there is one."""
        kind = cast(type[Sent], self.wire.down)
        return kind(**state.fields) if state.fields else None

    def magnitudes(self, state: AverageState, uplink: Sent) -> Mapping[str, Size]:
        """Return how far weights are from the last average, and how large all else is."""
        return sizes_of(uplink, state.fields)

    def aggregate(
        self, state: AverageState, round_number: int, replies: Sequence[Reply[Sent]]
    ) -> Aggregated:
        """Average what arrived; without replies keep what there is."""
        if replies:
            samples = [reply.samples for reply in replies]
            state.fields = {
                name: average([getattr(reply.uplink, name) for reply in replies], samples)
                for name in rules_of(type(replies[0].uplink))
            }
        return Aggregated()
