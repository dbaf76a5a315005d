"""How much a node's streams carried."""

from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True)
class Traffic:
    """The bytes and frames of one node in one session.

    Attributes
    ----------
    uplink_bytes, downlink_bytes : int
        Serialised frames; without TLS, HTTP/2 and TCP headers, which add a few per cent.
    frames : int
        Frames with activations, and parts of surveys, that were taken in.
    skipped : int
        Turns that took place without the node.
    """

    uplink_bytes: int
    downlink_bytes: int
    frames: int
    skipped: int


@final
@dataclass
class Meter:
    """Counts the bytes of one lane, whose streams follow one another."""

    uplink_bytes: int = 0
    downlink_bytes: int = 0
