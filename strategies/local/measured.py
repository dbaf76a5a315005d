"""How reports draw what clients of Local measure."""

from typing import Final

from strategies.common.presentation import Measured

LOSSES: Final = (
    Measured("Loss that clients minimise", {"total": "classification"}, "Good: falling."),
)
