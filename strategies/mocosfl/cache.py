"""Activations that frozen clients sent, kept at the server so that it can learn from them again.

A client that keeps an expert's weights sends the same activations for the same view in every
round: after some rounds the server may go on without its clients. Of each step it keeps who
had a seat in it, cohort by cohort, and what arrived; a client that was late is absent again
when the step is replayed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from strategies.common import seeds

# Columns of ``Cache.seats``.
_STEP, _SAMPLES = 0, 3


@final
@dataclass(frozen=True)
class CachedStep:
    """One step as it took place.

    Attributes
    ----------
    batch : int
        Samples of each client that arrived; 0 if none did.
    cohorts : tuple[tuple[int, ...], ...]
        Clients that had a seat, cohort by cohort, ascending.
    arrived : tuple[Mapping[int, tuple[Tensor, ...]], ...]
        Query and key activations of those that arrived, each (batch, *latent), by cohort.
    """

    batch: int
    cohorts: tuple[tuple[int, ...], ...]
    arrived: tuple[Mapping[int, tuple[Tensor, ...]], ...]


@final
class Cache:
    """Steps that can be replayed, in the order in which they took place.

    Parameters
    ----------
    activations : Tensor
        (samples, 2, *latent) float32 on the CPU; query and key activations as they arrived.
    seats : Tensor
        (seats, 4) int64, in the order of ``activations``: step of the run, cohort, logical
        client, and how many samples of it arrived, 0 if it was late; at least one row.
    """

    def __init__(self, activations: Tensor, seats: Tensor) -> None:
        self.activations = activations
        self.seats = seats
        counts = torch.unique_consecutive(seats[:, _STEP], return_counts=True)[1]
        self._seats = torch.split(seats, counts.tolist())
        sizes = [int(own[:, _SAMPLES].sum()) for own in self._seats]
        self._activations = torch.split(activations, sizes)

    def __len__(self) -> int:
        """Return how many steps are kept."""
        return len(self._seats)

    @property
    def num_bytes(self) -> int:
        """Memory that the activations take; a checkpoint takes as much."""
        return self.activations.nbytes

    def describe(self) -> str:
        """Say what is kept, and what devices are asked for from here."""
        return (
            f"mocosfl.cache-rounds: the server keeps {len(self)} steps of activations, "
            f"{self.num_bytes:,} bytes in memory and in each checkpoint, and learns from them "
            f"alone; devices send nothing more but samples to evaluate"
        )

    def step(self, place: int) -> CachedStep:
        """Return one step; its tensors share the cache's memory.

        Parameters
        ----------
        place : int
            Which of the kept steps, from 0.
        """
        seats = self._seats[place]
        sizes = seats[:, _SAMPLES].tolist()
        cohorts: dict[int, list[int]] = {}
        arrived: dict[int, dict[int, tuple[Tensor, ...]]] = {}
        rows = torch.split(self._activations[place], sizes)
        for (_, cohort, client, samples), own in zip(seats.tolist(), rows, strict=True):
            cohorts.setdefault(cohort, []).append(client)
            there = arrived.setdefault(cohort, {})
            if samples:
                there[client] = own.unbind(1)
        return CachedStep(max(sizes), tuple(map(tuple, cohorts.values())), tuple(arrived.values()))


@final
class Recorder:
    """Takes in what arrives in one session.

    Nothing is kept before the round is complete: a session that breaks off is played again.
    """

    def __init__(self) -> None:
        self._activations: list[Tensor] = []
        self._seats: list[tuple[int, int, int, int]] = []

    def add(
        self,
        step: int,
        cohort: int,
        seated: Sequence[int],
        arrived: Mapping[int, tuple[Tensor, ...]],
    ) -> None:
        """Copy what one cohort sent in one step; steps and cohorts come in order.

        Parameters
        ----------
        step : int
            Step of the run, from 1.
        cohort : int
            Which cohort of the plan.
        seated : Sequence[int]
            Its logical clients, ascending.
        arrived : Mapping[int, tuple[Tensor, ...]]
            Query and key activations of those that were in time, each (batch, *latent).
        """
        for client in seated:
            views = arrived.get(client)
            if views is not None:
                self._activations.append(torch.stack(views, dim=1).cpu())
            self._seats.append((step, cohort, client, 0 if views is None else len(views[0])))

    def appended_to(self, cache: Cache | None) -> Cache | None:
        """Return the steps of earlier rounds and of this one; ``None`` for none at all."""
        if not self._activations:
            return cache
        activations = torch.cat(self._activations)
        seats = torch.tensor(self._seats)
        if cache is not None:
            activations = torch.cat([cache.activations, activations])
            seats = torch.cat([cache.seats, seats])
        return Cache(activations, seats)


def replayed_place(num_kept: int, step: int, seed: int) -> int:
    """Return which kept step is learnt from in a step of the run.

    A pure function of the step: passes go through all kept steps, each in an order of its own.

    Parameters
    ----------
    num_kept : int
        Steps that are kept, at least 1.
    step : int
        Step of the run, from 1.
    seed : int
        Root seed of the run.
    """
    passed, position = divmod(step - 1, num_kept)
    order = torch.randperm(num_kept, generator=seeds.generator(seed, "replay", round_number=passed))
    return int(order[position])
