"""A network for rows of numbers, such as those of a table."""

from torch import nn

from models.body import Body
from strategies.common.inputs import Columns

_WIDTH = 128


def mlp(columns: Columns) -> Body:
    """Build two hidden layers of 128 units behind a normalisation of each column.

    Columns of a table have scales of their own, which batch normalisation takes from them.
    """
    network = nn.Sequential(
        nn.BatchNorm1d(columns.columns),
        nn.Linear(columns.columns, _WIDTH),
        nn.ReLU(),
        nn.Linear(_WIDTH, _WIDTH),
        nn.ReLU(),
    )
    return Body(network, _WIDTH)


def wide_mlp(columns: Columns) -> Body:
    """Build one hidden layer of 512 units behind the same."""
    network = nn.Sequential(
        nn.BatchNorm1d(columns.columns), nn.Linear(columns.columns, 4 * _WIDTH), nn.ReLU()
    )
    return Body(network, 4 * _WIDTH)
