"""The server at work within a session: one contrastive step after another."""

from collections.abc import Collection, Mapping
from typing import final

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from strategies.common.errors import StoreError
from strategies.common.split.engine import Engine
from strategies.common.split.plan import Plan, TrainingPlan
from strategies.common.split.wire.frames import Survey
from strategies.common.update_rule import SGD, Group
from strategies.mocosfl.cache import Cache, CachedStep, Recorder, replayed_place
from strategies.mocosfl.contrast import contrast
from strategies.mocosfl.features import FeatureTable
from strategies.mocosfl.figures import Figures
from strategies.mocosfl.network import follow
from strategies.mocosfl.schedule import decayed, warmup
from strategies.mocosfl.settings import MocoSFLSettings, is_symmetric
from strategies.mocosfl.state import MocoSFLServerState


@final
class MocoSFLEngine(Engine):
    """Contrasts the pool's views; one optimiser step for all cohorts of a step together.

    All cohorts of a step meet the same weights, momentum copy and memory, which change
    before its first cohort and after its last, so that two cohorts learn what one would.

    Parameters
    ----------
    state : MocoSFLServerState
        Changed in place.
    plan : Plan
        The session.
    settings : MocoSFLSettings
        How to learn.
    total_steps : int
        Steps of the whole run.
    num_classes : int
        Classes of the task, for surveys.
    recorder : Recorder | None
        Takes in what arrives, where it is kept for later rounds.

    Attributes
    ----------
    plan : Plan
        The session; during a replay, with cohorts and batch of the step under way.
    recorder : Recorder | None
        As given.
    figures : Figures
        What it came to.
    surveyed : FeatureTable
        Features of a survey's samples.
    """

    def __init__(
        self,
        state: MocoSFLServerState,
        plan: Plan,
        settings: MocoSFLSettings,
        total_steps: int,
        num_classes: int,
        recorder: Recorder | None = None,
    ) -> None:
        self.plan = plan
        self.recorder = recorder
        self._state = state
        self._settings = settings
        self._total_steps = total_steps
        self._symmetric = is_symmetric(settings)
        self._device = state.memory.rows.device
        self._sgd = _sgd(state, settings)
        self._keys: dict[int, tuple[Tensor, ...]] = {}
        self.figures = Figures(self._device)
        self.surveyed = FeatureTable(num_classes)

    def advance(
        self,
        step: int,
        cohort: int,
        arrived: Mapping[int, tuple[Tensor, ...]],
    ) -> Mapping[int, Tensor]:
        """Contrast one cohort's views, and add its part to the step's gradient.

        The loss is the mean over the samples that arrived, weighted by the cohort's planned
        part of the pool: of a client that is late, no other feels more than a mean over
        fewer samples.
        """
        if self.recorder is not None:
            self.recorder.add(step, cohort, self.plan.cohorts[cohort], arrived)
        if not arrived:
            return {}
        if not self._keys:
            self._begin()
        clients = sorted(arrived)
        views = self._gathered([arrived[client][0] for client in clients])
        views.requires_grad_(not self._settings.frozen)
        seen = contrast(
            self._state.online,
            self._state.momentum,
            (views, self._gathered([arrived[client][1] for client in clients])),
            self._state.memory.rows,
            self._settings.temperature,
            symmetric=self._symmetric,
            merged=self._settings.merge_passes,
        )
        share = len(self.plan.cohorts[cohort]) / len(self.plan.pool)
        (share * seen.loss).backward()  # type: ignore[no-untyped-call]
        self.figures.add(seen, share)
        for row, client in enumerate(clients):
            own = slice(row * self.plan.batch, (row + 1) * self.plan.batch)
            self._keys[client] = tuple(keys[own] for keys in seen.keys)
        if views.grad is None:
            return {}
        gradient = views.grad * self._scale(len(clients), share)
        own_rows = gradient.view(len(clients), self.plan.batch, *gradient.shape[1:])
        return dict(zip(clients, own_rows, strict=True))

    def finish(self, step: int) -> None:
        """Update the server's part and the memory; without any client nothing changes."""
        if not self._keys:
            return
        gradients = [p.grad for p in self._state.online.parameters() if p.grad is not None]
        self.figures.finish_step(get_total_norm(gradients))
        self._sgd.step(self._rate(step))
        self._sgd.forget_gradients()
        # By client, whichever cohort it was dealt to: keys age in the same order.
        by_client = [self._keys[client] for client in sorted(self._keys)]
        for term in zip(*by_client, strict=True):
            self._state.memory.enqueue(torch.cat(term))
        self._keys.clear()

    def replay(self, step: int, cached: CachedStep) -> None:
        """Learn from a kept step as if its activations arrived now.

        Parameters
        ----------
        step : int
            Step of the run that this is, from 1; the kept step had another number.
        cached : CachedStep
            What arrived then.
        """
        self.plan = TrainingPlan(step, 1, cached.batch, cached.cohorts)
        for cohort, arrived in enumerate(cached.arrived):
            self.advance(step, cohort, arrived)
        self.finish(step)

    def replay_all(self, cache: Cache | None, seed: int) -> None:
        """Play the steps of the plan with kept ones, each of which has its turn in every pass.

        Parameters
        ----------
        cache : Cache | None
            What to learn from.
        seed : int
            Root seed of the run, from which the order is drawn.

        Raises
        ------
        StoreError
            If there is nothing to learn from.
        """
        steps = self.plan.step_numbers
        if cache is None:
            raise StoreError(
                f"mocosfl: step {steps.start}: expected activations of the first "
                f"mocosfl.cache-rounds rounds, found none; a run deletes them after its last "
                f"round, so start a new run instead of giving this one more rounds"
            )
        for step in steps:
            self.replay(step, cache.step(replayed_place(len(cache), step, seed)))

    def survey(self, survey: Survey) -> None:
        """Compute the features of a client's samples."""
        with torch.no_grad():
            features = self._state.online.features(survey.activations.to(self._device))
        labels = survey.labels.to(self._device)
        self.surveyed.add(survey.split, survey.client, features, labels)

    def forget(self, clients: Collection[int]) -> None:
        """Drop the features of some clients' samples."""
        self.surveyed.forget(clients)

    def _rate(self, step: int) -> float:
        settings = self._settings
        rate = decayed(settings.learning_rate, settings.version, step, self._total_steps)
        return rate * warmup(step, settings.warmup_steps)

    def _begin(self) -> None:
        # The copy follows the weights as they are before this step's update.
        follow(
            self._state.momentum.parameters(), self._state.online.parameters(), self._settings.ema
        )

    def _gathered(self, tensors: list[Tensor]) -> Tensor:
        return torch.cat(tensors).to(self._device)

    def _scale(self, arrived: int, share: float) -> float:
        """Return what turns the gradient of the pool's mean into what clients get."""
        return arrived / share if self._settings.gradient_scale == "client" else 1.0


def _sgd(state: MocoSFLServerState, settings: MocoSFLSettings) -> SGD:
    """Build an SGD whose momentum buffers are the state's own tensors."""
    sgd = SGD([Group([*state.online.parameters()], settings.weight_decay)], settings.momentum)
    for name, parameter in state.online.named_parameters():
        # Buffers that come from a checkpoint are on the CPU.
        state.velocity[name] = state.velocity[name].to(parameter.device)
        sgd.moments[parameter] = {"momentum_buffer": state.velocity[name]}
    # A session that broke off within a step leaves gradients behind.
    sgd.forget_gradients()
    return sgd
