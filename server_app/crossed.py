"""Bytes that crossed the network for one client."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from server_app.journal import TrafficLine


@final
@dataclass(frozen=True)
class Crossed:
    """Bytes up and down by record, as ``count_bytes`` of the envelope counts them.

    Attributes
    ----------
    uplink, downlink : Mapping[str, int]
        From the client, and to it.
    """

    uplink: Mapping[str, int] = field(default_factory=dict)
    downlink: Mapping[str, int] = field(default_factory=dict)

    def joined(self, other: "Crossed") -> "Crossed":
        """Return what crossed in both."""
        return Crossed(_added(self.uplink, other.uplink), _added(self.downlink, other.downlink))

    def to_line(self) -> TrafficLine:
        """Return it as the journal has it."""
        return TrafficLine(
            uplink_bytes=sum(self.uplink.values()),
            downlink_bytes=sum(self.downlink.values()),
            payload_bytes={
                **{f"down/{name}": size for name, size in self.downlink.items()},
                **{f"up/{name}": size for name, size in self.uplink.items()},
            },
        )


def _added(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}
