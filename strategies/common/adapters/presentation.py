"""What reports say of methods that train adapters."""

from typing import Final

from strategies.common.presentation import Measured

MEASUREMENT: Final = (
    "Every accuracy is that on the client's own test split, which it never trains on, with the "
    "client's private head; where several answers are right, it counts what the given ones are "
    "worth. Clients are asked in a message of its own after aggregation, every so many rounds and "
    "after the last."
)
# What the model is that goes by the name "shared".
SHARED: Final = "the federation's adapter as aggregation left it"

MOVES: Final = (
    Measured(
        "How far the adapter moved in a round",
        {
            "adapter_moved_by_clients": "by a client, on average",
            "adapter_moved": "the mean adapter",
        },
        "Good: close together; a mean that moves far less says that clients pull in different "
        "directions.",
    ),
)
LOSSES: Final = (
    Measured(
        "Loss that clients minimise",
        {
            "answer": "with the adapter that is trained",
            "shared": "the shared adapter, with what its teacher tells it",
            "teacher": "the teacher, with what the shared adapter tells it",
        },
        "Good: falling.",
    ),
)
