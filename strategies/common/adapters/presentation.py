"""What reports say of methods that train adapters."""

from typing import Final

MEASUREMENT: Final = (
    "Every accuracy is that on the client's own test split, which it never trains on, with the "
    "client's private head; where several answers are right, it counts what the given ones are "
    "worth. Clients are asked in a message of its own after aggregation, every so many rounds and "
    "after the last."
)
# What the model is that goes by the name "shared".
SHARED: Final = "the federation's adapter as aggregation left it"
