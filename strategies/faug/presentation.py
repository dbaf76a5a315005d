"""What a report says of FAug, beside what the method states that it comes before."""

from dataclasses import replace
from typing import Final

from strategies.common.presentation import Measured, Presentation

_MEASURED: Final = (
    Measured(
        "FAug: losses of the last steps (nats)",
        {
            "faug_generator_loss": "generator",
            "faug_discriminator_loss": "discriminator, on real and generated images",
        },
        "Good: neither near 0; at 0.69 and 1.39 images cannot be told apart.",
    ),
    Measured(
        "FAug: privacy leakage",
        {"faug_leak_to_server": "to the server", "faug_leak_to_devices": "to other devices"},
        "Good: low; 1 to the server says that seeds name exactly what a client lacks.",
        share=True,
    ),
    Measured(
        "FAug: samples",
        {
            "faug_seeds": "seeds that clients uploaded",
            "faug_generated": "generated, by clients that had none",
        },
        "Good: many generated for each seed.",
    ),
    Measured(
        "FAug: labels that can be generated",
        {"faug_labels": "labels"},
        "Good: all that some client lacks.",
    ),
)


def augmented(stated: Presentation) -> Presentation:
    """Return how reports present a run of a method that FAug came before."""
    return replace(
        stated,
        # Whoever learnt from what others' seeds brought is not alone.
        alone=False,
        variant=", ".join(filter(None, (stated.variant, "with FAug"))),
        measured=(*stated.measured, *_MEASURED),
    )
