"""How FedKTL's table of traffic counts: millions of numbers a round, of all clients.

Zhang et al., "An Upload-Efficient Scheme for Transferring Knowledge From a Server-Side Pre-trained
Generator to Clients in Heterogeneous Federated Learning", CVPR 2024, table 5.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from benchmarks.dealt_noise import CLIENTS, SHAPE
from models import catalogue
from strategies.common.inputs import Images
from strategies.common.task import Task

WIDTH: Final = 512
_LATENT: Final = 512
_NOISE, _HIDDEN = 32, 512
_MILLION: Final = 1e6


class Numbers(NamedTuple):
    """Millions of numbers of one round, of all clients."""

    up: float
    down: float


# With 100 classes, of which all clients together hold about 898.
PUBLISHED: Final[Mapping[str, Numbers]] = {
    "lgfedavg": Numbers(1.03, 1.03),
    "fedgen": Numbers(1.03, 7.66),
    "fedgh": Numbers(0.46, 1.03),
    "fml": Numbers(18.50, 18.50),
    "fedkd": Numbers(16.52, 16.52),
    "fd": Numbers(0.09, 0.20),
    "fedproto": Numbers(0.46, 1.02),
    "fedktl": Numbers(0.09, 7.17),
}


def counted(method: str, classes: int, held: int) -> Numbers | None:
    """Return what the paper's rule counts; ``None`` where there is none.

    Parameters
    ----------
    method : str
        By its name in the table of methods; of FedKD, numbers depend on what is learnt.
    classes : int
        Of the task.
    held : int
        Classes that clients hold, summed over clients.
    """
    head = (WIDTH + 1) * classes
    # Noise and a label, a hidden layer that is normalised, and features.
    generator = (_NOISE + classes + 3) * _HIDDEN + (_HIDDEN + 1) * WIDTH
    shared = catalogue.build("cnn", Task(classes, Images(*SHAPE), WIDTH), WIDTH, 0)
    model = sum(parameter.numel() for parameter in shared.parameters())
    channels, height, width = SHAPE
    rules = {
        "lgfedavg": (CLIENTS * head, CLIENTS * head),
        "fedgen": (CLIENTS * head, CLIENTS * (head + generator)),
        "fedgh": (held * WIDTH, CLIENTS * head),
        "fml": (CLIENTS * model, CLIENTS * model),
        "fd": (held * classes, CLIENTS * classes * classes),
        "fedproto": (held * WIDTH, CLIENTS * classes * WIDTH),
        "fedktl": (held * classes, CLIENTS * classes * (_LATENT + channels * height * width)),
    }
    if method not in rules:
        return None
    up, down = rules[method]
    return Numbers(up / _MILLION, down / _MILLION)
