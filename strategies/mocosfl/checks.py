"""Whether client models that arrived are the ones that were asked for."""

from collections.abc import Sequence

import torch

from strategies.common.errors import WireError
from strategies.mocosfl.wire import Fronts


def check_fronts(
    uplink: Fronts, partition: int, expected: Sequence[int], num_parameters: int, *, followers: bool
) -> None:
    """Refuse client models of other clients than the pool's, or of another network.

    Parameters
    ----------
    uplink : Fronts
        What arrived.
    partition : int
        Node that sent it.
    expected : Sequence[int]
        Logical clients whose models it must hold, ascending.
    num_parameters : int
        Length of one model.
    followers : bool
        Whether it must hold momentum models too.

    Raises
    ------
    WireError
        Naming field, expected and got.
    """
    where = f"client {partition}: {Fronts.schema}"
    if uplink.clients.tolist() != list(expected):
        raise WireError(
            f"{where}.clients: expected {list(expected)}, got {uplink.clients.tolist()}"
        )
    for name, tensor, rows in (
        ("fronts", uplink.fronts, len(expected)),
        ("momentum", uplink.momentum, len(expected) if followers else 0),
    ):
        if tuple(tensor.shape) != (rows, num_parameters):
            raise WireError(
                f"{where}.{name}: expected ({rows}, {num_parameters}), got {tuple(tensor.shape)}"
            )
        if not bool(torch.isfinite(tensor).all()):
            raise WireError(f"{where}.{name}: expected finite values, got NaN or infinity")
