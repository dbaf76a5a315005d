"""The mean of the client models that came back, from which all clients go on."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from strategies.common.split.averaging import average
from strategies.mocosfl.state import MocoSFLServerState
from strategies.mocosfl.wire import Fronts


def synchronise(state: MocoSFLServerState, uplinks: Mapping[int, Fronts]) -> float | None:
    """Average the client models of exactly those that sent theirs, all weighted alike.

    Parameters
    ----------
    state : MocoSFLServerState
        Takes the averages; that of momentum models if it holds one already.
    uplinks : Mapping[int, Fronts]
        By node.

    Returns
    -------
    float | None
        Mean distance of a client model from the average, eq. 4 of the paper over all
        parameters at once; ``None``, with nothing changed, where no model came.
    """
    fronts = _by_client(uplinks, [uplink.fronts for uplink in uplinks.values()])
    if not fronts:
        return None
    state.front = average(fronts)
    if state.momentum_front is not None:
        momentum = [uplink.momentum for uplink in uplinks.values()]
        state.momentum_front = average(_by_client(uplinks, momentum))
    distances = [float((front - state.front).norm()) for front in fronts.values()]
    return sum(distances) / len(distances)


def _by_client(uplinks: Mapping[int, Fronts], models: Sequence[Tensor]) -> dict[int, Tensor]:
    """Return one row of the uplinks' models for each logical client."""
    pairs = zip(uplinks.values(), models, strict=True)
    return {
        client: row
        for uplink, rows in pairs
        for client, row in zip(uplink.clients.tolist(), rows, strict=True)
    }
