"""What nodes sent of one survey: no more than they have, and nothing far larger than the others'.

Samples of one client stand beside those of all others in what judges a representation, so that a
loud one would change how well everyone does.
"""

import math
from collections.abc import Mapping
from typing import final

import torch

from server_app.split.lanes import Lane
from server_app.split.refusals import Reason, RefusalError
from strategies.common.magnitudes import Size, too_large
from strategies.common.split.wire.frames import Survey


@final
class Surveyed:
    """The parts that were taken in, node by node.

    Parameters
    ----------
    most : Mapping[int, int]
        Samples that a node may send; any number where it says nothing.
    """

    def __init__(self, most: Mapping[int, int]) -> None:
        self._most = most
        self._samples: dict[int, int] = {}
        self._sizes: dict[int, list[float]] = {}

    def take(self, lane: Lane, part: Survey) -> None:
        """Take note of a part.

        Raises
        ------
        RefusalError
            If it is one too many.
        """
        node = lane.node
        got, most = self._samples.get(node, 0) + len(part.labels), self._most.get(node)
        if most is not None and got > most:
            text = f"expected a survey of at most {most} samples by its description, got {got}"
            raise RefusalError(Reason.FORM, f"{lane.where}: {text}")
        self._samples[node] = got
        length = float(torch.linalg.vector_norm(part.activations))
        size = length / math.sqrt(max(1, part.activations.numel()))
        self._sizes.setdefault(node, []).append(size)

    def loud(self) -> dict[int, str]:
        """Return why nodes' samples are to be left out: their activations drown the others'."""
        sizes = {node: {"activations": Size(tuple(own))} for node, own in self._sizes.items()}
        return too_large(sizes, dict.fromkeys(sizes, 1))
