"""FedDF on the server: all clients' models teach one student for each architecture."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Final, final

import torch
from torch import Tensor, nn

from strategies.common import seeds
from strategies.common.agreed import Need
from strategies.common.architecture import Architecture
from strategies.common.distillation import distillation_loss
from strategies.common.errors import ModelError, NectarError, WireError
from strategies.common.group_means import GroupAveragingServer, GroupMeans
from strategies.common.optimiser import scheduled
from strategies.common.presentation import Measured, Presentation, Setting
from strategies.common.round import Aggregated, Reply
from strategies.common.samples import prepare
from strategies.common.tested import Tested
from strategies.common.training import Means, output_batches
from strategies.common.update_rule import Adam, Group
from strategies.feddf.settings import FedDFSettings
from strategies.feddf.wire import WIRE, Model, Student

_MEASURED: Final = (
    Measured(
        "Distance of the students from all clients together, on open data (nats)",
        {"divergence_before": "of their means", "divergence": "of the students"},
        "Good: the students lie well below the means they start from.",
    ),
)


@final
class FedDFServer(GroupAveragingServer[FedDFSettings, GroupMeans, Student, Model]):
    """Averages each architecture's models, and distils all of them into the means."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.OPEN_DATA, Need.OPEN_LABELS, Need.MODELS})
    wire, tested = WIRE, Tested.WITH_AGGREGATED

    @classmethod
    def presentation(cls, settings: Mapping[str, Setting]) -> Presentation:
        """State what is tested, and what is measured of the distillation."""
        told = "Each client tests its architecture's student, which all clients' models taught."
        return Presentation(measurement=told, measured=_MEASURED)

    def check_clients(self, architectures: Mapping[int, Architecture]) -> None:
        """Accept any clients: who is alone with its architecture learns from the others' too."""

    def check(self, state: GroupMeans, reply: Reply[Model]) -> None:
        """Refuse, too, a model that cannot be built here: it could teach nobody."""
        super().check(state, reply)
        try:
            self._built(reply.architecture)
        except NectarError as error:
            raise WireError(f"client {reply.partition}: {error}") from None

    def aggregate(
        self, state: GroupMeans, round_number: int, replies: Sequence[Reply[Model]]
    ) -> Aggregated:
        """Average each group, and let all models of the round teach each group's student."""
        settings, inputs = self.settings, self.provided.open_data.inputs
        replies, logits, notes = self._heard(replies)
        said = replace(super().aggregate(state, round_number, replies), notes=notes)
        if not replies or not settings.distill_steps:
            return said
        teacher = torch.stack(logits).mean(0)
        before, after = Means(), Means()
        for key, own in {r.architecture.key: r.architecture for r in replies}.items():
            student = self._loaded(own, Model(state.parameters[key], state.statistics[key]))
            before.add({"divergence": self._divergence(student, inputs, teacher)}, 1)
            self._distil(
                student,
                inputs,
                teacher,
                seeds.generator(
                    self.provided.run.seed, f"distillation {key}", round_number=round_number
                ),
            )
            after.add({"divergence": self._divergence(student, inputs, teacher)}, 1)
            distilled = Model.of(student.cpu())
            state.parameters[key], state.statistics[key] = (
                distilled.parameters,
                distilled.statistics,
            )
        numbers = {"divergence_before": before.result()["divergence"], **after.result()}
        return said.joined(Aggregated(numbers))

    def _heard(
        self, replies: Sequence[Reply[Model]]
    ) -> tuple[Sequence[Reply[Model]], list[Tensor], tuple[str, ...]]:
        """Return who counts, their logits of the open data, and who was left out."""
        settings, inputs = self.settings, self.provided.open_data.inputs
        if not settings.distill_steps and not settings.drop_worst:
            return replies, [], ()
        every = [(r, self._logits(self._loaded(r.architecture, r.uplink), inputs)) for r in replies]
        heard = [(r, own) for r, own in every if bool(own.isfinite().all())]
        broken = {r.partition for r in replies} - {r.partition for r, _ in heard}
        notes = tuple(
            f"feddf: the model of client {c} puts out no finite numbers for open data and was "
            f"left out"
            for c in sorted(broken)
        )
        if settings.drop_worst and heard:
            labels = self.provided.open_labels("feddf.drop-worst=0")
            kept = good_enough([own for _, own in heard], labels, settings.drop_worst)
            left = [r.partition for place, (r, _) in enumerate(heard) if place not in kept]
            if kept:
                heard = [heard[place] for place in kept]
                told = tuple(f"feddf: client {c} hardly learnt and was left out" for c in left)
            else:
                told = ("feddf: all clients hardly learnt, and all count; lower feddf.drop-worst",)
            notes += told
        return [r for r, _ in heard], [own for _, own in heard], notes

    def _loaded(self, own: Architecture, model: Model) -> nn.Module:
        return model.into(self._built(own)).to(self.provided.device)

    def _built(self, own: Architecture) -> nn.Module:
        built = self.provided.build_model(own.name, self.agreed.task, 0, to_be_loaded=True)
        if Architecture.of(built).key != own.key:
            raise ModelError(
                f"feddf: expected the server's {own.name} to be what clients hold, got another of "
                f"that name; all parts must run the same version with the same models"
            )
        return built

    def _logits(self, model: nn.Module, inputs: Tensor) -> Tensor:
        return torch.cat(list(output_batches(inputs, model, model, self.provided.device)))

    def _divergence(self, student: nn.Module, inputs: Tensor, teacher: Tensor) -> float:
        return float(distillation_loss(self._logits(student, inputs), teacher, 1.0))

    def _distil(
        self, student: nn.Module, inputs: Tensor, teacher: Tensor, order: torch.Generator
    ) -> None:
        """Minimise KL(softmax(teacher) || softmax(student)) on batches drawn from open data."""
        settings = self.settings
        rule = Adam([Group(list(student.parameters()))], betas=(0.9, 0.999))
        student.train()
        for step in range(settings.distill_steps):
            rows = torch.randperm(len(inputs), generator=order)[: settings.distill_batch_size]
            logits = student(prepare(inputs[rows].to(self.provided.device)))
            rate, steps = settings.distill_learning_rate, settings.distill_steps
            loss = distillation_loss(logits, teacher[rows], 1.0)
            rule.descend(loss, scheduled(rate, "cosine", step, steps))


def good_enough(logits: Sequence[Tensor], labels: Tensor, factor: float) -> list[int]:
    """Return the places of models that are right more often than so many times chance.

    Parameters
    ----------
    logits : Sequence[Tensor]
        (samples, class) of each model.
    labels : Tensor
        (samples,) int64.
    factor : float
        Of chance, one over the number of classes.
    """
    right = [int((own.argmax(1).cpu() == labels).sum()) for own in logits]
    by_chance = factor * len(labels)
    return [p for p, count in enumerate(right) if count * logits[p].shape[1] > by_chance]
