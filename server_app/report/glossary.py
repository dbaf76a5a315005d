"""How numbers that several methods measure are drawn, by the names that they have in a journal.

A method whose number means something else by such a name, or that has many of its own, states
them itself (``Presentation.measured`` and ``losses``), which counts before these.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from strategies.common.presentation import Measured, Presentation

_DIAGNOSTICS: Final = (
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
    Measured(
        "Labels with soft labels",
        {"held_labels": "held by a client", "shared_labels": "held by two or more"},
        "Good: both equal; a label that one client alone holds has no teacher there.",
    ),
    Measured(
        "Distance of the clients' models from their mean",
        {"client_drift": "root mean square, of weights"},
        "Good: small; what unlike data teach apart is lost in the mean.",
    ),
    Measured(
        "Entropy of the mean soft labels (nats)",
        {"entropy": "entropy"},
        "Good: falling; the logarithm of the number of classes is guessing.",
    ),
)
_LOSSES: Final = (
    Measured(
        "Loss that clients minimise",
        {"total": "in all, each part with its weight", "cross_entropy": "classification"},
        "Good: falling.",
    ),
    Measured(
        "Distance from what the others said, before its weight",
        {"distillation": "distillation"},
        "Good: falling; zero means that nobody taught.",
    ),
    Measured(
        "Distance from the federation's prototypes, before its weight",
        {"prototype": "squared error"},
        "Good: small while prototypes lie apart; zero means that none arrived.",
    ),
)


def diagnostics_of(presentation: Presentation) -> tuple[Measured, ...]:
    """Return how to draw what a server half measures."""
    return (*presentation.measured, *_others(presentation.measured, _DIAGNOSTICS))


def losses_of(presentation: Presentation) -> tuple[Measured, ...]:
    """Return how to draw what clients measure while they train."""
    return (*presentation.losses, *_others(presentation.losses, _LOSSES))


def _others(own: Sequence[Measured], shared: Sequence[Measured]) -> Iterator[Measured]:
    taken = {name for one in own for name in one.curves}
    for one in shared:
        if left := {name: words for name, words in one.curves.items() if name not in taken}:
            yield replace(one, curves=left)
