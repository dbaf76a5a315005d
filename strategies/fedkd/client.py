"""FedKD on a device: mentor and mentee learn from labels and from each other."""

from dataclasses import dataclass, field
from typing import ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parameters_to_vector

from strategies.common import seeds
from strategies.common.agreed import Need
from strategies.common.device import MessageDevice
from strategies.common.errors import WireError
from strategies.common.low_rank import factorised
from strategies.common.message import LocalTraining, MessageClient, ModelState
from strategies.common.model import FeatureModel
from strategies.common.mutual import mutual_losses
from strategies.common.payloads import numbers_of, put_numbers
from strategies.fedkd.settings import FedKDSettings
from strategies.fedkd.wire import WIRE, Mentee, Update


@final
@dataclass
class FedKDState(ModelState):
    """What stays on a device.

    Attributes
    ----------
    mentee : FeatureModel
        As it came down, or as the run begins.
    hidden : nn.Linear
        From the mentee's features to the mentor's (W^h).
    number : Tensor
        (1,) int64, which mentee it is: 1 at first, one more with each change.
    """

    mentee: FeatureModel
    hidden: nn.Linear
    number: Tensor = field(default_factory=lambda: torch.ones(1, dtype=torch.int64))


@final
class FedKDClient(MessageClient[FedKDSettings, FedKDState, Mentee, Update]):
    """Keeps its mentor, and shares what the mentee learns."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.MODELS})
    wire, state = WIRE, FedKDState

    def start(self, device: MessageDevice) -> FedKDState:
        """Return a fresh mentor, the mentee that all begin with, and a matrix of the client's."""
        mentor, mentee = device.build_model(), self.provided.build_beside()
        drawn = seeds.derive(device.settings.seed, "hidden", partition=device.partition)
        with seeds.seeded(drawn):
            hidden = nn.Linear(mentee.feature_dim, mentor.feature_dim, bias=False)
        there = device.torch_device
        return FedKDState(mentor, mentee.to(there), hidden.to(there))

    def local_training(
        self, device: MessageDevice, state: FedKDState, downlink: Mentee | None
    ) -> LocalTraining[Update]:
        """Minimise both models' losses (eq. 5 and 6) at once: no parameter is in both."""
        settings = self.settings
        if downlink is not None:
            self._take(state, downlink)
        mentor, mentee, hidden = state.model, state.mentee, state.hidden
        began = numbers_of(mentee)[0].cpu()

        def losses(inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
            features, small = mentor.features(inputs), mentee.features(inputs)
            found = {
                **mutual_losses(settings, mentor.head(features), mentee.head(small), labels),
                "hidden": functional.mse_loss(hidden(small), features),
            }
            tasks = found["cross_entropy"] + found["shared_cross_entropy"]
            taught = found["from_shared"] + found["from_own"] + found["hidden"]
            return {"total": tasks + taught / settings.taught(tasks), **found}

        def uplink() -> Update:
            parameters, statistics = numbers_of(mentee)
            change = parameters.cpu() - (began if settings.factorise == "update" else 0.0)
            energy = settings.energy(device.round_number, device.settings.rounds)
            sent = Update(*factorised(change, self.agreed.beside.shapes, energy), statistics)
            # What was learnt is the client's no longer: it comes back in the mean of all.
            put_numbers(mentee, began, statistics)
            return sent

        groups = ((mentor,), (mentee,), (hidden,))
        return LocalTraining(losses, uplink, groups, settings.max_norm or None)

    def _take(self, state: FedKDState, told: Mentee) -> None:
        """Change the mentee as all do, or take the whole; moments are of the one that is gone."""
        parameters = told.restored(self.agreed)
        if told.base:
            if told.base != state.number:
                raise WireError(
                    f"server: {Mentee.schema}.base: expected a change of mentee "
                    f"{int(state.number)}, which this client has, got one of mentee "
                    f"{int(told.base)}; the next round brings the whole"
                )
            parameters = parameters_to_vector(state.mentee.parameters()).detach().cpu() + parameters
        put_numbers(state.mentee, parameters, told.statistics)
        state.number = told.number
        state.moments = {n: m for n, m in state.moments.items() if not n.startswith("mentee/")}
