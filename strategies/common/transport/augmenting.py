"""What comes before the first round of a run with augmentation: messages, and a payload's name."""

import hashlib
from typing import Final

from strategies.common.payload import Payload, rules_of

SEEDS: Final = "seeds"
GENERATE: Final = "generate"


def digest(sent: Payload) -> str:
    """Return SHA-256 of a payload's numbers, in hexadecimal, by which who has it says so."""
    found = hashlib.sha256()
    for name in rules_of(type(sent)):
        found.update(getattr(sent, name).contiguous().numpy().tobytes())
    return found.hexdigest()
