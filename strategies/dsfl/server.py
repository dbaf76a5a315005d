"""DS-FL on the server: one distribution for each open sample, made surer."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final, final

from torch import Tensor
from torch.nn import functional

from strategies.common import seeds
from strategies.common.agreed import Need
from strategies.common.averaging import average
from strategies.common.entropy import entropy
from strategies.common.errors import WireError
from strategies.common.message import OWN
from strategies.common.open_consensus import AGREEMENT, ConsensusServer
from strategies.common.open_data import drawn
from strategies.common.open_lesson import Lesson
from strategies.common.open_students import DISTILLATION
from strategies.common.presentation import Measured, Presentation, Setting
from strategies.common.round import Aggregated, Reply
from strategies.dsfl.era import powered, sharpened
from strategies.dsfl.global_model import SCORE, DSFLState
from strategies.dsfl.settings import DSFLSettings
from strategies.dsfl.wire import WIRE, Consensus, Predictions

_MEASURED: Final = (
    Measured(
        "Entropy of what clients say of open samples (nats)",
        {"entropy_of_mean": "of their mean", "entropy": "of what is sent to them"},
        "Good: falling, and lower as sent; the logarithm of the number of classes is guessing.",
    ),
    Measured(
        "Open samples of which what is sent is surer than the mean",
        {"surer": "became surer"},
        "Good: near 1; a temperature that is too high for the classes makes them unsure.",
        share=True,
    ),
    Measured(
        "Cross-entropy of the server's own model with what all said (nats)",
        {"server_distillation": "mean over the round's passes"},
        "Good: falling towards the entropy of what is sent, below which it cannot come.",
    ),
    AGREEMENT,
)
_MODELS: Final = {
    OWN: "the client's, which learnt its own labels last",
    SCORE: "the server's, which learnt of open samples alone",
}


@final
class DSFLServer(ConsensusServer[DSFLSettings, DSFLState, Consensus, Predictions]):
    """Aggregates with entropy reduction, and learns of what that came to."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.OPEN_DATA, Need.MODELS})
    wire, state = WIRE, DSFLState

    @classmethod
    def presentation(cls, settings: Mapping[str, Setting]) -> Presentation:
        """State how answers become one, and what is measured of it."""
        rule = str(settings.get("aggregation", "era"))
        return Presentation(
            variant={"mean": "simple aggregation", "power": "enhanced ERA"}.get(rule, ""),
            measured=_MEASURED,
            models=_MODELS if settings.get("server-model") else {},
            headline=(OWN,) if settings.get("server-model") else (),
        )

    def reads_open_data(self) -> bool:
        """Read them where the server has a model that learns of them."""
        return bool(self.settings.server_model)

    def start(self) -> DSFLState:
        """Return the server's model, where it is to have one, and nothing that was said."""
        name, seed = self.settings.server_model, self.provided.run.seed
        if not name:
            return DSFLState()
        model = self.provided.build_model(name, self.agreed.task, seed)
        return DSFLState(model=model.to(self.provided.device))

    def broadcast(self, state: DSFLState) -> Consensus | None:
        """Return what the last round came to, and the server's model in rounds that test it."""
        run, now = self.provided.run, int(state.round) + 1
        # Past the last round who took no part in it is asked for a test.
        return state.sent(with_model=now > run.rounds or run.is_evaluated(now))

    def aggregate(
        self, state: DSFLState, round_number: int, replies: Sequence[Reply[Predictions]]
    ) -> Aggregated:
        """Make one of all answers, and let the server's model learn it."""
        told = super().aggregate(state, round_number, replies)
        if state.model is None or not replies:
            return told
        opened, seed = self.provided.open_data, self.provided.run.seed
        rows = drawn(opened.told, self.settings.samples_per_round, seed, round_number)
        asked = opened.inputs[rows]
        lesson = Lesson(DISTILLATION, "dsfl", asked, state.rows, functional.cross_entropy)
        losses, state.moments = lesson.teach(
            state.model,
            self.settings,
            self.settings.distill_epochs,
            seeds.generator(seed, "server distillation", round_number=round_number),
            self.provided.device,
            owner=state,
            moments=state.moments,
        )
        return told.joined(Aggregated({"server_distillation": losses[DISTILLATION]}))

    def answers(self, uplink: Predictions) -> Tensor:
        """Return distributions as near as a client told them."""
        return uplink.answers(self.agreed)

    def check(self, state: DSFLState, reply: Reply[Predictions]) -> None:
        """Refuse, too, classes and probabilities that no distribution has."""
        super().check(state, reply)
        try:
            self.answers(reply.uplink)
        except WireError as error:
            raise WireError(f"client {reply.partition}: {Predictions.schema}: {error}") from None

    def together(self, said: Sequence[Tensor], samples: Sequence[int]) -> tuple[Tensor, Aggregated]:
        """Average all answers alike, make them surer, and tell entropies before and after."""
        mean = average(said)
        consensus = self._sharpened(said, mean)
        before, after = entropy(mean), entropy(consensus)
        numbers = {
            "entropy_of_mean": float(before.mean()),
            "entropy": float(after.mean()),
            "surer": float((after <= before).float().mean()),
        }
        return consensus, Aggregated(numbers, self._notes(consensus.shape[1]))

    def _sharpened(self, said: Sequence[Tensor], mean: Tensor) -> Tensor:
        settings = self.settings
        if settings.aggregation == "mean":
            return mean
        if settings.aggregation == "power":
            return powered(mean, settings.power)
        if settings.era_order == "per_client":
            return average([sharpened(own, settings.temperature) for own in said])
        return sharpened(mean, settings.temperature)

    def _notes(self, num_classes: int) -> tuple[str, ...]:
        settings = self.settings
        if settings.aggregation != "era" or settings.temperature <= 1 / num_classes:
            return ()
        return (
            f"dsfl.temperature={settings.temperature:g} is above one over the {num_classes} "
            f"classes, {1 / num_classes:.3g}: ERA makes outputs that are nearly even less sure; "
            f"lower it, or set dsfl.aggregation=power",
        )
