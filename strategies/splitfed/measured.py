"""How reports draw what SplitFed measures (``server.py``, ``client.py``)."""

from typing import Final

from strategies.common.presentation import Measured

MEASURED: Final = (
    Measured("Training loss on the batches met", {"loss": "cross-entropy"}, "Good: falling."),
    Measured(
        "Accuracy on the batches met",
        {"train_accuracy": "training samples"},
        "Good: rising; far above the test accuracy, the network learns by heart.",
        share=True,
    ),
    Measured(
        "Clients whose part was averaged",
        {"clients": "clients"},
        "Good: all that were drawn for the round.",
    ),
)
LOSSES: Final = (
    Measured(
        "Length of the gradient of clients' parts",
        {"gradient_norm": "length"},
        "Good: neither zero nor ever longer.",
    ),
)
