"""Servers that average what clients send and give the average to all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar, final

from torch import Tensor

from strategies.common.averaging import average, average_by_class
from strategies.common.class_table import AnyRows, RowsState
from strategies.common.magnitudes import Size, sizes_of
from strategies.common.message import SendingServer
from strategies.common.method import MethodSettings
from strategies.common.payload import AnyKind, Payload, rules_of
from strategies.common.payloads import CountedRows
from strategies.common.round import Aggregated, Reply

Sent = TypeVar("Sent", bound=Payload)
SentRows = TypeVar("SentRows", bound=CountedRows)


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

    @staticmethod
    def of(sent: Payload) -> "AverageState":
        """Return the state in which this is the average."""
        return AverageState({name: getattr(sent, name) for name in rules_of(type(sent))})

    def sent_as(self, kind: type[AnyKind]) -> AnyKind | None:
        """Return the average as a payload, or ``None`` where there is none."""
        return kind(**self.fields) if self.fields else None


class AveragingServer(
    SendingServer[MethodSettings, AverageState, Sent, Sent], Generic[MethodSettings, Sent]
):
    """Averages field by field, each client weighed by :meth:`weight`.

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

    def weight(self, reply: Reply[Sent]) -> float:
        """Return how much a client weighs: by default by its training samples."""
        return float(reply.samples)

    def magnitudes(self, state: AverageState, reply: Reply[Sent]) -> Mapping[str, Size]:
        """Return how far weights are from the last average, and how large all else is."""
        return sizes_of(reply.uplink, state.fields)

    def aggregate(
        self, state: AverageState, round_number: int, replies: Sequence[Reply[Sent]]
    ) -> Aggregated:
        """Average what arrived; without replies keep what there is."""
        if replies:
            weights = [self.weight(reply) for reply in replies]
            state.fields = {
                name: average([getattr(reply.uplink, name) for reply in replies], weights)
                for name in rules_of(type(replies[0].uplink))
            }
        return Aggregated()


class RowAveragingServer(
    SendingServer[MethodSettings, RowsState, AnyRows, SentRows],
    Generic[MethodSettings, AnyRows, SentRows],
):
    """Averages rows class by class over those that hold the class.

    Holders are weighed by their samples of it, or alike where they do not send how many.
    """

    state = RowsState

    def aggregate(
        self, state: RowsState, round_number: int, replies: Sequence[Reply[SentRows]]
    ) -> Aggregated:
        """Replace all rows: of a class that nobody sent nothing stale is left."""
        sent = [reply.uplink for reply in replies]
        counts = [own.counts for own in sent if own.counts is not None]
        if counts and len(counts) < len(sent):
            raise ValueError(
                f"averaging: expected counts from all of {len(sent)} clients or from none, got "
                f"{len(counts)}"
            )
        state.rows, state.labels = average_by_class(sent, counts or None)
        return Aggregated(state.numbers())
