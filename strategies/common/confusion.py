"""What a classifier got right class by class, and the F1 scores that follow from it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from torch import Tensor


@final
@dataclass(frozen=True)
class ConfusionCounts:
    """The sums of a confusion matrix that per-class accuracy and F1 need.

    Attributes
    ----------
    samples : tuple[int, ...]
        Test samples of each class: its row's sum.
    hits : tuple[int, ...]
        Those of them that were given their own class: the diagonal.
    predictions : tuple[int, ...]
        Samples that were given each class, rightly or not: its column's sum.
    """

    samples: tuple[int, ...]
    hits: tuple[int, ...]
    predictions: tuple[int, ...]

    @staticmethod
    def of(labels: Tensor, predicted: Tensor, num_classes: int) -> "ConfusionCounts":
        """Count.

        Parameters
        ----------
        labels, predicted : Tensor
            (samples,) int64 classes in [0, num_classes), true and given.
        num_classes : int
            Length of each count.
        """
        counted = (labels, labels[predicted == labels], predicted)
        rows, diagonal, columns = (
            tuple(one.bincount(minlength=num_classes).tolist()) for one in counted
        )
        return ConfusionCounts(rows, diagonal, columns)

    @staticmethod
    def together(parts: Iterable["ConfusionCounts"]) -> "ConfusionCounts":
        """Return the counts of all samples, whoever's they are; the classes are the same."""
        found = list(parts)
        samples, hits, predictions = (
            tuple(map(sum, zip(*counts, strict=True)))
            for counts in (
                [part.samples for part in found],
                [part.hits for part in found],
                [part.predictions for part in found],
            )
        )
        return ConfusionCounts(samples, hits, predictions)

    @property
    def accuracy(self) -> tuple[float | None, ...]:
        """Part of each class's samples that was right; ``None`` for a class without samples."""
        pairs = zip(self.hits, self.samples, strict=True)
        return tuple(hits / samples if samples else None for hits, samples in pairs)

    @property
    def macro_f1(self) -> float | None:
        """Mean of the classes' F1 scores, each class counting once; in [0, 1].

        The F1 score of a class is the harmonic mean of its precision, hits / predictions, and its
        recall, hits / samples; that is 2 hits / (samples + predictions). A class with samples that
        is never given, or given without having any, scores 0. A class with neither is left out of
        the mean, as scikit-learn's ``f1_score(average="macro")`` leaves it out; ``None`` where no
        class is left.

        Examples
        --------
        >>> ConfusionCounts((2, 2, 0), (2, 1, 0), (3, 1, 0)).macro_f1  # (4/5 + 2/3) / 2
        0.7333333333333334
        """
        rows = zip(self.samples, self.hits, self.predictions, strict=True)
        scores = [2 * hits / (own + given) for own, hits, given in rows if own + given]
        return math.fsum(scores) / len(scores) if scores else None
