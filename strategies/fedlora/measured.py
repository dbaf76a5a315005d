"""How reports draw what FedLoRA measures (``server.py``)."""

from typing import Final

from strategies.common.presentation import Measured

MEASURED: Final = (
    Measured(
        "Error of aggregation, as a share of the exact mean",
        {"aggregation_error": "error"},
        "Good: zero, as stacking has it; a smaller rank or averaged factors lose some of the mean.",
    ),
    Measured(
        "Rank of the federation's update",
        {"update_rank": "rank"},
        "Good: no larger than clients can hold; stacked updates grow with every round.",
    ),
)
