"""What a report says of a run that its numbers do not tell."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

Setting = bool | int | float | str


@final
@dataclass(frozen=True)
class Measured:
    """Numbers of one measure that a report draws in one chart.

    Attributes
    ----------
    title : str
        What is measured, in plain words.
    curves : Mapping[str, str]
        What each number is, by its name in the journal.
    good : str
        A sentence on what is good.
    references : tuple[str, ...]
        Names among the curves of what the others are held against.
    share : bool
        Whether all lie between 0 and 1.
    """

    title: str
    curves: Mapping[str, str]
    good: str
    references: tuple[str, ...] = ()
    share: bool = False


@final
@dataclass(frozen=True)
class Presentation:
    """How reports present a run; a server half states it (``ServerHalf.presentation``).

    Attributes
    ----------
    alone : bool
        Whether no client learns from another, so that the run is what federations are held
        against.
    variant : str
        What titles add to the method's name, e.g. ``"each client alone"``; empty for nothing.
    measurement : str
        Sentences on how an accuracy comes about; empty where each client tests the one model
        that it trained.
    classified_by : str
        What picks a test sample's class, e.g. ``"the nearest prototype among all classes"``;
        empty where it is the model itself, among all classes. Runs in which it differs are not
        drawn as one.
    models : Mapping[str, str]
        What the models are that clients are tested with, by the names of their scores.
    headline : tuple[str, ...]
        Names of models; the accuracy of a client is that of the first that it has.
    pictures : Mapping[str, str]
        What pictures show, by their names; others are named after what is drawn.
    measured : tuple[Measured, ...]
        How to draw what the server half measures; what is not among it has a chart of its own.
    losses : tuple[Measured, ...]
        How to draw what clients measure while they train.
    """

    alone: bool = False
    variant: str = ""
    measurement: str = ""
    classified_by: str = ""
    models: Mapping[str, str] = field(default_factory=dict)
    headline: tuple[str, ...] = ()
    pictures: Mapping[str, str] = field(default_factory=dict)
    measured: tuple[Measured, ...] = ()
    losses: tuple[Measured, ...] = ()
