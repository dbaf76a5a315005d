"""FedKD on a device: mentor and mentee learn from labels and from each other."""

from dataclasses import dataclass, field
from typing import ClassVar, final

from torch import Tensor, nn
from torch.nn import functional

from strategies.common.agreed import Need
from strategies.common.device import MessageDevice
from strategies.common.message import LocalTraining, MessageClient, ModelState
from strategies.common.model import FeatureModel
from strategies.common.mutual import mutual_losses
from strategies.common.numbered_changes import first_number
from strategies.common.payloads import numbers_of, put_numbers
from strategies.common.projection import own_projection
from strategies.fedkd.settings import FedKDSettings
from strategies.fedkd.wire import WIRE, Mentee, Update


@final
@dataclass
class FedKDState(ModelState):
    """What stays beside the mentor.

    The mentee is as it came down, or as the run begins; ``number`` (1,) int64 tells which it is.
    ``hidden`` maps its features to the mentor's (W^h).
    """

    mentee: FeatureModel
    hidden: nn.Linear
    number: Tensor = field(default_factory=first_number)


@final
class FedKDClient(MessageClient[FedKDSettings, FedKDState, Mentee, Update]):
    """Keeps its mentor, and shares what the mentee learns."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.MODELS})
    wire = WIRE

    def start(self, device: MessageDevice) -> FedKDState:
        """Return a fresh mentor, the mentee that all begin with, and a matrix of the client's."""
        mentor, mentee = device.build_model(), self.provided.build_beside()
        hidden = own_projection(
            device, mentee.feature_dim, mentor.feature_dim, purpose="hidden", bias=False
        )
        return FedKDState(mentor, mentee.to(device.torch_device), hidden)

    def local_training(
        self, device: MessageDevice, state: FedKDState, downlink: Mentee | None
    ) -> LocalTraining[Update]:
        """Minimise both models' losses (eq. 5 and 6) at once: no parameter is in both."""
        settings, mentor, mentee, hidden = self.settings, state.model, state.mentee, state.hidden
        if downlink is not None:
            state.number = downlink.into(mentee, state.number, self.agreed)
            state.forget_moments("mentee/")
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
            # What was learnt is the client's no longer: it comes back in the mean of all.
            put_numbers(mentee, began, statistics)
            return Update.of(change, statistics, energy, self.agreed)

        groups = ((mentor,), (mentee,), (hidden,))
        return LocalTraining(losses, uplink, groups, settings.max_norm or None)
