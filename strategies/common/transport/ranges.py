"""The range of every number, and the length of every text, that crosses beside a payload.

They are far beyond what an honest device sends, and far below where the sum over all clients
leaves a double or breaks a page.
"""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from strategies.common.foreign_text import cleaned

MAX_SAMPLES: Final = 1_000_000_000
MAX_ROUND: Final = 1_000_000_000
# About four months.
MAX_SECONDS: Final = 1e7
MAX_LOSS: Final = 1e12
# Bytes, milliseconds and whatever else a device may measure.
MAX_FIGURE: Final = 1e18
MAX_CLASSES: Final = 100_000
MAX_PARTITION: Final = 1_000_000
# As many as the setting clients-per-node allows.
MAX_CLIENTS: Final = 10_000
# Values of one image or window.
MAX_INPUT: Final = 1_000_000_000

MAX_NOTES: Final = 50
NOTE_LENGTH: Final = 500
NAME_LENGTH: Final = 100

Count = Annotated[int, Field(ge=0)]
Round = Annotated[int, Field(ge=0, le=MAX_ROUND)]
Samples = Annotated[int, Field(ge=0, le=MAX_SAMPLES)]
Seconds = Annotated[float, Field(ge=0, le=MAX_SECONDS)]
Loss = Annotated[float, Field(ge=-MAX_LOSS, le=MAX_LOSS)]
Figure = Annotated[float, Field(ge=-MAX_FIGURE, le=MAX_FIGURE)]
Share = Annotated[float, Field(ge=0, le=1)]


def _named(name: str) -> str:
    """Refuse a name of which only a part could be shown: two would become one."""
    if not 0 < len(name) <= NAME_LENGTH or not name.isprintable():
        raise ValueError(f"expected a name of 1 to {NAME_LENGTH} printable letters")
    return name


def _few(notes: Sequence[str]) -> list[str]:
    if len(notes) <= MAX_NOTES:
        return list(notes)
    kept = list(notes[: MAX_NOTES - 1])
    return [*kept, f"{len(notes) - len(kept)} more notes are left out"]


_line = AfterValidator(partial(cleaned, most=NOTE_LENGTH))
_word = AfterValidator(partial(cleaned, most=NAME_LENGTH))

Name = Annotated[str, AfterValidator(_named)]
ModelName = Annotated[str, Field(max_length=NAME_LENGTH), _word]
ClassName = Annotated[str, _word]
Notes = Annotated[list[Annotated[str, _line]], AfterValidator(_few)]
