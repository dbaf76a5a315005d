"""How reports draw what FD measures (``server.py``, ``client.py``)."""

from typing import Final

from strategies.common.presentation import Measured

MEASURED: Final = (
    Measured(
        "Labels with soft labels",
        {"held_labels": "held by a client", "shared_labels": "held by two or more"},
        "Good: both equal; a label that one client alone holds has no teacher there.",
    ),
    Measured(
        "Entropy of the mean soft labels (nats)",
        {"entropy": "entropy"},
        "Good: falling; the logarithm of the number of classes is guessing.",
    ),
)
LOSSES: Final = (
    Measured(
        "Loss that clients minimise",
        {"total": "in all, with the weighted distillation", "cross_entropy": "classification"},
        "Good: falling.",
    ),
    Measured(
        "Distance from the others' soft labels, before its weight",
        {"distillation": "distillation"},
        "Good: falling; zero means that nobody taught.",
    ),
)
