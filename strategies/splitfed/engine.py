"""The server at work within a session: classify what arrives, and return gradients."""

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from strategies.common import seeds
from strategies.common.errors import WireError
from strategies.common.split.engine import Engine
from strategies.common.split.hits import Hits, check_labels, count_hits
from strategies.common.split.plan import Plan
from strategies.common.split.sgd import SGD
from strategies.common.split.wire.frames import Survey
from strategies.splitfed.server_part import Learnt, ServerPart
from strategies.splitfed.settings import SplitFedSettings


@final
class SplitFedEngine(Engine):
    """Trains the server's part on the classes of the clients' activations.

    The state that it starts from is left alone; :meth:`mean` says what came of the session.

    Parameters
    ----------
    back : nn.Module
        The server's part, on the device to compute on.
    velocity : Tensor
        (parameters,) its momentum buffer.
    latent_shape : tuple[int, ...]
        Shape of one sample's activations.
    num_classes : int
        Classes of the task.
    plan : Plan
        The session.
    settings : SplitFedSettings
        How to learn.
    seed : int
        Root seed of the run.

    Attributes
    ----------
    plan : Plan
        The session.
    """

    def __init__(
        self,
        back: nn.Module,
        velocity: Tensor,
        latent_shape: tuple[int, ...],
        num_classes: int,
        plan: Plan,
        settings: SplitFedSettings,
        seed: int,
    ) -> None:
        self.plan = plan
        self._back = back
        self._latent_shape = latent_shape
        self._num_classes = num_classes
        self._settings = settings
        self._seed = seed
        self._rule = SGD(settings.momentum, settings.weight_decay)
        clients = plan.pool if settings.copies else ()
        self._rows = {client: row for row, client in enumerate(clients)}
        self._velocity = velocity
        self._accumulated: Tensor | None = None
        self._tested: list[tuple[Tensor, Tensor, Tensor]] = []
        self._samples = self._correct = 0
        self._loss = 0.0

    @cached_property
    def _part(self) -> ServerPart:
        """What learns; a survey asks for the server's part as it is and never gets here."""
        return ServerPart(self._back, self._velocity, max(1, len(self._rows)))

    def advance(
        self, step: int, cohort: int, arrived: Mapping[int, tuple[Tensor, ...]]
    ) -> Mapping[int, Tensor]:
        """Learn from one cohort, as version and scale of the gradients have it."""
        if not arrived:
            return {}
        if self._settings.gradient_scale == "pool":
            return self._together(cohort, arrived)
        # Copies do not meet within a step, so each may move at once; one part for all moves
        # from client to client.
        gradients = {c: self._alone(c, *arrived[c]) for c in self._order(step, arrived)}
        return {client: gradients[client] for client in sorted(gradients)}

    def finish(self, step: int) -> None:  # noqa: ARG002
        """Take the one step that all cohorts' gradients ask for, where they have one."""
        if self._accumulated is not None:
            self._move(0, self._accumulated)
            self._accumulated = None

    def survey(self, survey: Survey) -> None:
        """Classify samples of an evaluation.

        Raises
        ------
        WireError
            If the samples are no activations of this network, or a label is no class.
        """
        where = f"evaluation: client {survey.client}: {survey.split}"
        check_labels(where, survey.labels, self._num_classes)
        expected = (len(survey.labels), *self._latent_shape)
        if survey.activations.shape != expected:
            raise WireError(
                f"{where}: expected activations {expected}, got {tuple(survey.activations.shape)}"
            )
        if not len(survey.labels):
            return
        activations, labels = self._here(survey.activations), self._here(survey.labels)
        with torch.no_grad():
            scores: Tensor = self._back(activations)
        losses = functional.cross_entropy(scores, labels, reduction="none")
        self._tested.append(
            (scores.argmax(1) == labels, losses, torch.full_like(labels, survey.client))
        )

    def forget(self, clients: Collection[int]) -> None:
        """Drop what some clients sent for an evaluation."""
        self._tested = [part for part in self._tested if int(part[2][0]) not in clients]

    def hits(self) -> Hits | None:
        """Return what the survey found, or ``None`` where no sample came."""
        if not self._tested:
            return None
        correct, losses, clients = (torch.cat(parts) for parts in zip(*self._tested, strict=True))
        return count_hits(correct, losses, clients)

    def figures(self) -> dict[str, float]:
        """Return mean loss and accuracy on the batches met, before their steps."""
        if not self._samples:
            return {}
        return {
            "loss": self._loss / self._samples,
            "train_accuracy": self._correct / self._samples,
        }

    def mean(self, samples: Mapping[int, int]) -> tuple[Tensor, Tensor]:
        """Return the server's weights and momentum buffer after the session.

        Parameters
        ----------
        samples : Mapping[int, int]
            Training samples of the clients whose copies are averaged, at least one; where
            there are no copies they do not matter.

        Returns
        -------
        tuple[Tensor, Tensor]
            (parameters,) each. Buffers are averaged like weights, so that v1 with equal
            batches and a step per round is the same as learning from the pool.
        """
        if not self._settings.copies:
            return self._part.mean([0], [1])
        clients = sorted(samples)
        return self._part.mean([self._rows[c] for c in clients], [samples[c] for c in clients])

    def _order(self, step: int, arrived: Mapping[int, tuple[Tensor, ...]]) -> list[int]:
        clients = sorted(arrived)
        if self._settings.copies:
            return clients
        randomness = seeds.generator(self._seed, "server-order", round_number=step)
        return [clients[i] for i in torch.randperm(len(clients), generator=randomness).tolist()]

    def _alone(self, client: int, activations: Tensor, labels: Tensor) -> Tensor:
        """Learn from one client's batch and return its gradient."""
        row = self._rows.get(client, 0)
        learnt = self._part.gradients(row, self._here(activations), self._here(labels))
        self._take_note(learnt, len(labels))
        self._move(row, learnt.weights)
        return learnt.activations

    def _together(
        self, cohort: int, arrived: Mapping[int, tuple[Tensor, ...]]
    ) -> dict[int, Tensor]:
        """Add one cohort's part to the step's gradient and return its clients' slices.

        The loss is the mean over the samples that arrived times the cohort's planned part of
        the pool: a client that is late leaves the others' part of the step as it is.
        """
        clients = sorted(arrived)
        activations = self._here(torch.cat([arrived[client][0] for client in clients]))
        labels = self._here(torch.cat([arrived[client][1] for client in clients]))
        share = len(self.plan.cohorts[cohort]) / len(self.plan.pool)
        learnt = self._part.gradients(0, activations, labels, share=share)
        self._take_note(learnt, len(labels))
        before = self._accumulated
        self._accumulated = learnt.weights if before is None else before + learnt.weights
        slices = torch.split(learnt.activations, [len(arrived[client][1]) for client in clients])
        return dict(zip(clients, slices, strict=True))

    def _move(self, row: int, gradient: Tensor) -> None:
        self._part.step(row, gradient, self._rule, self._settings.server_learning_rate)

    def _take_note(self, learnt: Learnt, samples: int) -> None:
        self._samples += samples
        self._correct += learnt.correct
        self._loss += learnt.loss * samples

    def _here(self, tensor: Tensor) -> Tensor:
        return tensor.to(next(self._back.parameters()).device)
