"""FedGen on the server: average models, and teach the generator by what all heads say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, final

import torch
from torch import Tensor

from strategies.common import seeds
from strategies.common.group_means import GroupAveragingServer, GroupMeans
from strategies.common.knowledge_pictures import points_picture
from strategies.common.optimiser import kept_moments, restore_moments
from strategies.common.payloads import numbers_of, put_numbers
from strategies.common.presentation import Measured, Presentation, Setting
from strategies.common.round import Aggregated, Picture, Reply
from strategies.common.tested import Tested
from strategies.common.training import Means
from strategies.common.update_rule import Adam, Group
from strategies.fedgen.ensemble import ensemble_loss, head_logits
from strategies.fedgen.generator import FeatureGenerator, likeness
from strategies.fedgen.settings import FedGenSettings
from strategies.fedgen.wire import WIRE, Lesson, Model

# Of the authors' code: the generator's step size falls by this in each round.
_DECAY: Final = 0.98
_FEATURES: Final = "generated-features"
# Classes in the picture, and features of each.
_SHOWN, _OF_EACH = 10, 30
_LOSSES: Final = Measured(
    "Losses of a client that learns from generated features (nats)",
    {"generated": "generated features", "latent": "distilled from them"},
    "Good: falling; high ones say that heads disagree about what is generated.",
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
    generator, measured, prior : Tensor
        As ``Lesson`` has them; without any label to draw before the first round.
    moments : dict[str, Tensor]
        Of the generator's Adam.
    """

    generator: Tensor = field(kw_only=True)
    measured: Tensor = field(kw_only=True)
    prior: Tensor = field(default_factory=lambda: torch.zeros(0))
    moments: dict[str, Tensor] = field(default_factory=dict)


@final
class FedGenServer(GroupAveragingServer[FedGenSettings, FedGenState, Lesson, Model]):
    """Averages what is shared, and generates features for every client."""

    wire, tested = WIRE, Tested.WITH_AGGREGATED
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
            losses=(_LOSSES,),
        )

    def start(self) -> FedGenState:
        """Return a fresh generator, seeded by the run."""
        with seeds.seeded(seeds.derive(self.provided.run.seed, "feature generator")):
            generator, measured = numbers_of(FeatureGenerator.of(self.agreed))
        return FedGenState(generator=generator, measured=measured)

    def weight(self, reply: Reply[Model]) -> float:
        """Weigh clients alike, as algorithm 1 does, or by samples, as its code."""
        return 1.0 if self.settings.mode == "paper" else float(reply.samples)

    def aggregate(
        self, state: FedGenState, round_number: int, replies: Sequence[Reply[Model]]
    ) -> Aggregated:
        """Average what was sent, and teach the generator by the heads as they were sent."""
        said = super().aggregate(state, round_number, replies)
        if not replies:
            return said
        counts = torch.zeros(len(replies), self.agreed.task.num_classes)
        for row, reply in enumerate(replies):
            counts[row, reply.uplink.labels] = reply.uplink.counts.float()
        known = counts.sum(0)
        if self.settings.mode == "official":
            known = (known > 0).float()
        state.prior = known / known.sum()
        # A head is the last of a model's parameters.
        width = self.agreed.head.parameters
        heads = torch.stack([reply.uplink.parameters[-width:] for reply in replies])
        numbers = self._teach(state, round_number, heads, counts)
        return said.joined(Aggregated(numbers, pictures=self._pictures(state, round_number)))

    def _pictures(self, state: FedGenState, round_number: int) -> tuple[Picture, ...]:
        """Draw what the generator makes of the first classes that somebody has."""
        if not self.provided.run.is_evaluated(round_number):
            return ()
        labels = state.prior.nonzero().flatten()[:_SHOWN].repeat_interleave(_OF_EACH)
        order = seeds.generator(self.provided.run.seed, "pictures", round_number=round_number)
        with torch.inference_mode():
            _, features = self._generator(state).eval().drawn(labels, self.settings, order)
        return (Picture(_FEATURES, points_picture(features, labels)),)

    def _teach(
        self, state: FedGenState, round_number: int, heads: Tensor, counts: Tensor
    ) -> Mapping[str, float]:
        """Take the generator's steps of a round, and return the means of what they measured."""
        own, device, means = self.settings, self.provided.device, Means()
        heads, counts, generator = heads.to(device), counts.to(device), self._generator(state)
        rule = Adam([Group([*generator.to(device).train().parameters()])])
        restore_moments(rule, {"generator": generator}, state.moments)
        order = seeds.generator(self.provided.run.seed, "generator", round_number=round_number)
        rate = own.generator_learning_rate
        rate *= _DECAY ** (round_number - 1) if own.mode == "official" else 1.0
        for _ in range(own.generator_steps):
            drawn = torch.multinomial(state.prior, own.generator_batch_size, True, generator=order)
            labels = drawn.to(device)
            noise, features = generator.drawn(labels, own, order)
            logits = head_logits(heads, features)
            taught = ensemble_loss(own.mode, logits, labels, counts)
            alike = likeness(noise, features)
            decay = sum(p.square().sum() for p in generator.parameters()) / 2
            total = taught + own.diversity_weight * alike + own.generator_weight_decay * decay
            rule.descend(total, rate)
            right = (logits.mean(0).argmax(1) == labels).float().mean()
            found = {"generator_loss": taught, "likeness": alike, "recognised": right}
            means.add({name: value.item() for name, value in found.items()}, len(labels))
        state.moments = kept_moments(rule, {"generator": generator})
        state.generator, state.measured = numbers_of(generator.cpu())
        return means.result()

    def _generator(self, state: FedGenState) -> FeatureGenerator:
        return put_numbers(FeatureGenerator.of(self.agreed), state.generator, state.measured)
