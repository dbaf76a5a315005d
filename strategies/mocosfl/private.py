"""What stays on the device: momentum models and SGD's buffers of a node's logical clients."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from strategies.common.device import ExchangeDevice
from strategies.common.errors import StoreError
from strategies.mocosfl.members import Models
from strategies.mocosfl.settings import MocoSFLSettings
from strategies.mocosfl.wire import MocoSFLAverage


@final
@dataclass
class MocoSFLClientState:
    """The private part of a node's client models; rows are its logical clients, ascending.

    Online models are not in it: they come averaged with every round's message.

    Attributes
    ----------
    taken : Tensor
        (clients,) int64; steps that each client has taken in the run.
    momentum : Tensor | None
        (clients, parameters) momentum models; ``None`` before the first step, and where
        clients are frozen.
    velocity : Tensor | None
        (clients, parameters) momentum buffers of SGD; ``None`` likewise.
    """

    taken: Tensor
    momentum: Tensor | None
    velocity: Tensor | None

    @staticmethod
    def before_any_step(num_clients: int) -> "MocoSFLClientState":
        """Return the state of a node before its first session."""
        return MocoSFLClientState(torch.zeros(num_clients, dtype=torch.int64), None, None)

    def require(self, num_clients: int, num_parameters: int) -> None:
        """Refuse a state that was stored under other settings.

        Raises
        ------
        StoreError
            If it holds another number of clients or models of another size.
        """
        got = (len(self.taken), *(() if self.momentum is None else self.momentum.shape[1:]))
        expected = (num_clients, *(() if self.momentum is None else (num_parameters,)))
        if got != expected:
            raise StoreError(
                f"stored state: expected {num_clients} clients of {num_parameters} parameters, "
                f"got {got}; give a run with other settings a name of its own"
            )

    def models(
        self, rows: Tensor, front: Tensor, momentum_front: Tensor | None, device: torch.device
    ) -> Models:
        """Return the models with which some clients start a round.

        A client that has taken no step gets a momentum model equal to the online one: the
        weights of the run's start would give it wrong keys for hundreds of steps.

        Parameters
        ----------
        rows : Tensor
            (members,) int64; which clients.
        front : Tensor
            (parameters,) the synchronised online model.
        momentum_front : Tensor | None
            (parameters,) the synchronised momentum model, where that is averaged.
        device : torch.device
            Where to compute.
        """
        taken = self.taken[rows]
        online = front.to(device).repeat(len(rows), 1)
        velocity = torch.zeros_like(online)
        momentum = online.clone()
        if self.velocity is not None:
            velocity = self.velocity[rows].to(device)
        if momentum_front is not None:
            momentum = momentum_front.to(device).repeat(len(rows), 1)
        elif self.momentum is not None:
            started = (taken > 0)[:, None].to(device)
            momentum = torch.where(started, self.momentum[rows].to(device), momentum)
        return Models(online, momentum, velocity, taken)

    def keep(self, rows: Sequence[int], models: Models) -> None:
        """Take over what a round made of some clients' models.

        Parameters
        ----------
        rows : Sequence[int]
            Which clients.
        models : Models
            Theirs, in this order.
        """
        places = torch.tensor(rows)
        if self.momentum is None or self.velocity is None:
            shape = (len(self.taken), models.online.shape[1])
            self.momentum, self.velocity = torch.zeros(shape), torch.zeros(shape)
        self.taken[places] = models.taken
        self.momentum[places] = models.momentum.cpu()
        self.velocity[places] = models.velocity.cpu()


def models_of(
    state: MocoSFLClientState,
    rows: Sequence[int],
    downlink: MocoSFLAverage,
    settings: MocoSFLSettings,
    device: ExchangeDevice,
) -> Models:
    """Return the models with which some of a node's clients start a session.

    Parameters
    ----------
    state : MocoSFLClientState
        The node's; left as it is.
    rows : Sequence[int]
        Which of its clients.
    downlink : MocoSFLAverage
        The synchronised models.
    settings : MocoSFLSettings
        Tell whether clients are frozen.
    device : ExchangeDevice
        The node.

    Raises
    ------
    StoreError
        If the state was stored under other settings.
    """
    state.require(len(device.clients), len(downlink.model))
    if settings.frozen:
        return frozen_models(downlink.model, len(rows), device.torch_device)
    places = torch.tensor(rows)
    return state.models(places, downlink.model, downlink.momentum, device.torch_device)


def frozen_models(front: Tensor, num_members: int, device: torch.device) -> Models:
    """Return the expert's model, once for all members; nothing of it changes.

    Its momentum model is itself: a model that follows one that stands still ends there.
    """
    alone = front.to(device)[None]
    taken = torch.zeros(num_members, dtype=torch.int64)
    return Models(alone, alone, torch.zeros_like(alone), taken)
