"""The demo of texts: devices with unlike readers, few labels, and many texts that all hold."""

from collections.abc import Mapping
from typing import Final

Value = bool | int | float | str

# Forty texts to learn from and 120 to test on for each client.
TEXT_SETTINGS: Final[Mapping[str, Value]] = {
    "rounds": 8,
    "models": "fasttext,text_cnn,text_lstm,text_transformer",
    "data": "sentences",
    "text-length": 24,
    "vocabulary": 2048,
    "partition": "iid",
    "max-samples": 160,
    "test-fraction": 0.75,
    "optimiser": "adamw",
    "learning-rate": 0.01,
    "local-epochs": 5,
    "open-data": "sentences",
    "open-samples": 600,
    "dsfl.aggregation": "power",
    "dsfl.samples-per-round": 300,
    "dsfl.distill-batch-size": 20,
    "dsfl.distill-optimiser": "adam",
    "dsfl.distill-learning-rate": 0.01,
    "dsfl.distill-epochs": 2,
    "device": "cpu",
    "server-device": "cpu",
}
# One of each model.
TEXT_CLIENTS: Final = 4
_ALONE: Final = "demo-text-local"
# By name, in the order in which they are played; the last one's report is the demo's.
TEXT_RUNS: Final[Mapping[str, Mapping[str, Value]]] = {
    _ALONE: {"method": "local"},
    "demo-text-fedproto": {"method": "fedproto", "compare-with": _ALONE},
    "demo-text": {"method": "dsfl", "compare-with": _ALONE},
}
TEXT_TOLD: Final = (
    "A bag of words, convolutions, a recurrent network and a transformer cannot average their "
    "weights; what they say of texts that all hold travels between them. For texts of your own: "
    "--set data=csv:FILE, see README."
)
