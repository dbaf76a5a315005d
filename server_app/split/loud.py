"""Leaving nodes out of a session whose activations are far larger than the others'.

One such frame would move the server's part for everyone. What a node sent in its last turn is
remembered, from one session to the next, so that cohorts which take turns are compared as well;
before the first three nodes of a run have sent anything, ``split.max-value`` is all that holds.
"""

import math
from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor

from server_app.split.lanes import Lane
from server_app.split.turns import Turn
from strategies.common.magnitudes import Size, too_large


@final
class Loud:
    """The nodes of one session that are left out.

    Parameters
    ----------
    before : Mapping[int, Size]
        What nodes sent last in the session before.

    Attributes
    ----------
    heard : dict[int, Size]
        What nodes sent last in this one.
    refused : dict[int, str]
        Why, by node.
    """

    def __init__(self, before: Mapping[int, Size]) -> None:
        self._before = dict(before)
        self.heard: dict[int, Size] = {}
        self.refused: dict[int, str] = {}

    def left_out(self, turn: Turn, lanes: Mapping[int, Lane]) -> set[int]:
        """Return the logical clients of a turn that no engine is to see.

        Parameters
        ----------
        turn : Turn
            With the frames that arrived.
        lanes : Mapping[int, Lane]
            Of the turn's nodes.
        """
        for node, frame in turn.arrived.items():
            self.heard[node] = Size(_sizes(frame.tensors))
        found = _judged({**self._before, **self.heard})
        if turn.arrived.keys() <= found.keys():
            # The model has changed since the session before; that is nobody's fault.
            found = _judged(self.heard)
        for node in turn.arrived.keys() & found.keys():
            self.refused.setdefault(node, f"step {turn.step}: {found[node]}")
        left_out = turn.arrived.keys() & self.refused.keys()
        return {client for node in left_out for client in lanes[node].spec.clients}


def _judged(heard: Mapping[int, Size]) -> dict[int, str]:
    return too_large(
        {node: {"activations": size} for node, size in heard.items()}, dict.fromkeys(heard, 1)
    )


def _sizes(tensors: tuple[Tensor, ...]) -> tuple[float, ...]:
    """Return the root mean square of each client's activations, the largest of its tensors'."""
    told = [tensor.flatten(1) for tensor in tensors if tensor.is_floating_point()]
    lengths = [torch.linalg.vector_norm(own, dim=1) / math.sqrt(own.shape[1]) for own in told]
    return tuple(torch.stack(lengths).amax(0).tolist()) if lengths else ()
