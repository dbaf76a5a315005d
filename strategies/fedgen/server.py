"""FedGen on the server: average models, and teach the generator by what all heads say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, final

import torch
from torch import Tensor, nn

from strategies.common import seeds
from strategies.common.architecture import Architecture
from strategies.common.errors import WireError
from strategies.common.group_means import GroupAveragingServer, GroupMeans
from strategies.common.knowledge_pictures import points_picture
from strategies.common.magnitudes import UNLIKE_FACTOR, Size
from strategies.common.optimiser import kept_moments, restore_moments
from strategies.common.payloads import numbers_of, put_numbers
from strategies.common.presentation import Measured, Presentation, Setting
from strategies.common.round import Aggregated, Picture, Reply
from strategies.common.tested import Tested
from strategies.common.training import Means
from strategies.common.update_rule import Adam, Group
from strategies.fedgen.ensemble import Heads, ensemble_loss, label_weights
from strategies.fedgen.generator import FeatureGenerator, draw_noise, likeness
from strategies.fedgen.settings import FedGenSettings
from strategies.fedgen.wire import WIRE, Lesson, Model

# Of the authors' code: the generator's step size falls by this in each round.
_DECAY: Final = 0.98
_FEATURES: Final = "generated-features"
# Classes in the picture, and features of each.
_SHOWN, _OF_EACH = 10, 30
_LOSSES: Final = (
    Measured(
        "Losses of a client that learns from generated features (nats)",
        {"generated": "generated features", "latent": "distilled from them"},
        "Good: falling; high ones say that heads disagree about what is generated.",
    ),
)
_MEASURED: Final = (
    Measured(
        "Loss of the generator (nats)",
        {"generator_loss": "cross-entropy of all heads"},
        "Good: falling to near 0.",
    ),
    Measured(
        "Generated features",
        {"recognised": "classified as asked by the mean of all heads", "likeness": "likeness"},
        "Good: all recognised, and a likeness well below 1, which is one picture for each class.",
        share=True,
    ),
)


@final
@dataclass
class FedGenState(GroupMeans):
    """The means, and the generator with what it learnt from.

    Attributes
    ----------
    generator, measured : Tensor
        As ``Lesson`` has them.
    prior : Tensor
        (class,) float, from which labels are drawn; without any before the first round.
    moments : dict[str, Tensor]
        Of the generator's Adam.
    """

    generator: Tensor = field(default_factory=lambda: torch.zeros(0))
    measured: Tensor = field(default_factory=lambda: torch.zeros(0))
    prior: Tensor = field(default_factory=lambda: torch.zeros(0))
    moments: dict[str, Tensor] = field(default_factory=dict)


@final
@dataclass
class _Learner:
    generator: FeatureGenerator


@final
class FedGenServer(GroupAveragingServer[FedGenSettings, FedGenState, Lesson, Model]):
    """Averages what is shared, and generates features for every client."""

    wire, state, tested = WIRE, FedGenState, Tested.WITH_AGGREGATED
    for_unlike = 'set fedgen.sharing="head"'

    @classmethod
    def presentation(cls, settings: Mapping[str, Setting]) -> Presentation:
        """State the mode, what is tested, and what is measured of the generator."""
        part = "head" if settings.get("sharing") == "head" else "model"
        return Presentation(
            variant="as in the authors' code" if settings.get("mode") == "official" else "",
            measurement=f"Each client tests with the {part} that is the mean of all alike.",
            pictures={_FEATURES: f"generated features, a colour for each of {_SHOWN} classes"},
            measured=_MEASURED,
            losses=_LOSSES,
        )

    def start(self) -> FedGenState:
        """Return a fresh generator, seeded by the run."""
        with seeds.seeded(seeds.derive(self.provided.run.seed, "feature generator")):
            generator, measured = numbers_of(FeatureGenerator.of(self.agreed))
        return FedGenState(generator=generator, measured=measured)

    def group(self, architecture: Architecture) -> str:
        """Return the key of what travels: of whole models, or of the head that all have."""
        if self.settings.sharing == "full":
            return architecture.key
        with torch.device("meta"):
            return Architecture.of(nn.Linear(self.agreed.feature_dim, self._classes)).key

    def weight(self, reply: Reply[Model]) -> float:
        """Weigh clients alike, as algorithm 1 does, or by samples, as its code."""
        return 1.0 if self.settings.mode == "paper" else float(reply.samples)

    def magnitudes(self, state: FedGenState, reply: Reply[Model]) -> Mapping[str, Size]:
        """Return how far weights are from the mean: heads of unlike features learn unlike steps."""
        sizes = super().magnitudes(state, reply)
        if self.settings.sharing == "full":
            return sizes
        return {name: replace(one, factor=UNLIKE_FACTOR) for name, one in sizes.items()}

    def check(self, state: FedGenState, reply: Reply[Model]) -> None:
        """Refuse an upload that counts more samples than the client has, or none."""
        super().check(state, reply)
        if not len(reply.uplink.counts):
            raise WireError(
                f"client {reply.partition}: {Model.schema}.counts: expected at least one class, "
                f"got none"
            )

    def aggregate(
        self, state: FedGenState, round_number: int, replies: Sequence[Reply[Model]]
    ) -> Aggregated:
        """Average what was sent, and teach the generator by the heads as they were sent."""
        said = super().aggregate(state, round_number, replies)
        if not replies:
            return said
        counts = torch.zeros(len(replies), self._classes)
        for row, reply in enumerate(replies):
            counts[row, reply.uplink.labels] = reply.uplink.counts.float()
        total = counts.sum(0)
        state.prior = total / total.sum()
        if self.settings.mode == "official":
            state.prior = (total > 0).float() / (total > 0).sum()
        measured = self._teach(state, round_number, replies, counts)
        return said.joined(Aggregated(measured, pictures=self._pictures(state, round_number)))

    def _pictures(self, state: FedGenState, round_number: int) -> tuple[Picture, ...]:
        """Draw what the generator makes of the first classes that somebody has."""
        if not self.provided.run.is_evaluated(round_number):
            return ()
        labels = state.prior.nonzero().flatten()[:_SHOWN].repeat_interleave(_OF_EACH)
        order = seeds.generator(self.provided.run.seed, "pictures", round_number=round_number)
        generator = FeatureGenerator.of(self.agreed).eval()
        put_numbers(generator, state.generator, state.measured)
        with torch.inference_mode():
            features = generator(draw_noise(self.settings, len(labels), order), labels)
        return (Picture(_FEATURES, points_picture(features, labels)),)

    def _teach(
        self,
        state: FedGenState,
        round_number: int,
        replies: Sequence[Reply[Model]],
        counts: Tensor,
    ) -> Mapping[str, float]:
        """Take the generator's steps of a round, and return the means of what they measured."""
        own, device = self.settings, self.provided.device
        learner = _Learner(FeatureGenerator.of(self.agreed))
        put_numbers(learner.generator, state.generator, state.measured)
        learner.generator.to(device).train()
        rule = Adam([Group(list(learner.generator.parameters()))])
        restore_moments(rule, learner, state.moments)
        order = seeds.generator(self.provided.run.seed, "generator", round_number=round_number)
        sent = [reply.uplink.parameters.to(device) for reply in replies]
        heads = Heads.of(sent, self._classes, self.agreed.feature_dim)
        weights = label_weights(counts, 1.0).to(device)
        rate = own.generator_learning_rate
        rate *= _DECAY ** (round_number - 1) if own.mode == "official" else 1.0
        means = Means()
        for _ in range(own.generator_steps):
            labels = torch.multinomial(
                state.prior, own.generator_batch_size, replacement=True, generator=order
            ).to(device)
            noise = draw_noise(own, len(labels), order).to(device)
            features = learner.generator(noise, labels)
            logits = heads.logits(features)
            taught = ensemble_loss(own.mode, logits, labels, weights)
            alike = likeness(noise, features)
            decay = sum(p.square().sum() for p in learner.generator.parameters()) / 2
            rule.forget_gradients()
            total = taught + own.diversity_weight * alike + own.generator_weight_decay * decay
            total.backward()  # type: ignore[no-untyped-call]
            rule.step(rate)
            right = (logits.mean(0).argmax(1) == labels).float().mean()
            found = {"generator_loss": taught, "likeness": alike, "recognised": right}
            means.add({name: value.item() for name, value in found.items()}, len(labels))
        state.moments = kept_moments(rule, learner)
        state.generator, state.measured = numbers_of(learner.generator.cpu())
        return means.result()

    @property
    def _classes(self) -> int:
        return self.agreed.task.num_classes
