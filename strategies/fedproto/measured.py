"""How reports draw what FedProto measures (``server.py``, ``client.py``)."""

from typing import Final

from strategies.common.presentation import Measured

MEASURED: Final = (
    Measured(
        "Classes with a prototype",
        {"classes": "classes"},
        "Good: all classes that clients hold.",
    ),
    Measured(
        "Distance between the two closest prototypes",
        {"closest_prototypes": "distance"},
        "Good: growing, since classes then lie apart; near zero two of them are confused.",
    ),
)
LOSSES: Final = (
    Measured(
        "Loss that clients minimise",
        {"total": "in all, with the weighted prototype loss", "cross_entropy": "classification"},
        "Good: falling.",
    ),
    Measured(
        "Distance from the federation's prototypes, before its weight",
        {"prototype": "squared error"},
        "Good: small while prototypes lie apart; zero means that none arrived.",
    ),
)
