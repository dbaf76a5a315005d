"""How reports draw what FedKTL measures (``diagnosis.py``, ``client.py``)."""

from typing import Final

from strategies.common.presentation import Measured

MEASURED: Final = (
    Measured(
        "Distance of class centroids from valid latents (MMD)",
        {
            "mmd_first": "first epoch of the round",
            "mmd_last": "last epoch",
            "mmd_reference": "within reach",
        },
        "Good: the last epoch lies below the first and near the dashed line.",
        ("mmd_reference",),
    ),
    Measured(
        "Distance of mapped prototypes from their class centroid (squared error)",
        {"mse_first": "first epoch of the round", "mse_last": "last epoch"},
        "Good: the last epoch lies below the first.",
    ),
    Measured(
        "Length of class centroids",
        {
            "aligned_norm": "before projection",
            "centroid_norm": "as images are drawn from them",
            "latent_norm": "valid latents",
        },
        "Good: near the dashed line; elsewhere the generator draws what it was not made for.",
        ("latent_norm",),
    ),
    Measured(
        "Distance between two class centroids",
        {"centroid_separation": "centroids", "latent_separation": "valid latents"},
        "Good: near the dashed line; near zero all classes get almost one image.",
        ("latent_separation",),
    ),
)
LOSSES: Final = (
    Measured(
        "Loss that clients minimise",
        {"total": "in all, with the weighted transfer", "arcface": "classification (ArcFace)"},
        "Good: falling.",
    ),
    Measured(
        "Distance from the server's vectors, before its weight",
        {"transfer": "transfer"},
        "Good: falling; zero means that nothing was transferred.",
    ),
)
