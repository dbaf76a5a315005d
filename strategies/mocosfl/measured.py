"""How reports draw what MocoSFL measures (``figures.py``, ``assessment.py``)."""

from typing import Final

from strategies.common.presentation import Measured

PROBED: Final = (
    "A probe's best epoch is picked on the test samples themselves and therefore only stands "
    "beside the last."
)
MEASURED: Final = (
    Measured(
        "Accuracy of simple classifiers on the representation",
        {
            "knn_accuracy": "nearest neighbours",
            "knn_holdout_accuracy": "nearest neighbours, held-out training samples",
            "probe_accuracy": "linear probe",
            "probe_best_accuracy": "linear probe, epoch picked on the test samples",
            "semi_10_accuracy": "10% of the labels",
            "semi_1_accuracy": "1% of the labels",
        },
        "Good: rising, and above round 0, which is the untrained network.",
        share=True,
    ),
    Measured(
        "Contrast loss (nats)",
        {"loss": "loss"},
        "Good: falling, from the logarithm of the memory's size, which is guessing.",
    ),
    Measured(
        "Queries that find their own key",
        {"contrast_accuracy": "share of queries"},
        "Good: rising; at 1 with a high loss the contrast is near collapse.",
        share=True,
    ),
    Measured(
        "Where views and keys lie",
        {
            "alignment": "likeness of two views of an image",
            "key_spread": "spread of all keys",
        },
        "Good: both near 1; a spread near 0 is collapse.",
        share=True,
    ),
    Measured(
        "Distance of client models from their average",
        {"client_divergence": "distance"},
        "Good: small and steady; growing, clients drift apart.",
    ),
    Measured(
        "Length of the server's gradient",
        {"gradient_norm": "length"},
        "Good: neither zero nor ever longer.",
    ),
)
LOSSES: Final = (
    Measured(
        "Length of the gradient of clients' parts",
        {"gradient_norm": "length"},
        "Good: neither zero nor ever longer.",
    ),
)
