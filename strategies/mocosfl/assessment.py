"""How good the representation is, from the features that a survey brought."""

from collections.abc import Mapping
from dataclasses import replace
from typing import final

import torch
from torch import nn

from strategies.common import seeds
from strategies.common.errors import ModelError
from strategies.common.round import Aggregated
from strategies.common.samples import Samples, prepare
from strategies.common.split.halves import Assessment
from strategies.common.split.hits import Hits
from strategies.common.split.wire.frames import Split
from strategies.mocosfl.classifiers import few_labels, linear_probe, nearest_neighbours
from strategies.mocosfl.features import Features, FeatureTable
from strategies.mocosfl.network import Encoder
from strategies.mocosfl.settings import MocoSFLSettings

_FEW = {"semi_10_accuracy": 0.10, "semi_1_accuracy": 0.01}
_RAW = ("knn_accuracy", "probe_accuracy")


@final
class Assessor:
    """Judges a representation by what simple classifiers make of it.

    Clients are evaluated by nearest neighbours in the space of the keys. What a linear layer
    makes of the features before the projection head is told beside it, and at the end of the
    run what few labels do.

    Parameters
    ----------
    settings : MocoSFLSettings
        Neighbours, and what to do at the end.
    num_classes : int
        Classes of the task.
    seed : int
        Root seed of the run.
    """

    def __init__(self, settings: MocoSFLSettings, num_classes: int, seed: int) -> None:
        self._settings = settings
        self._num_classes = num_classes
        self._seed = seed

    def assess(self, encoder: Encoder, table: FeatureTable, *, at_the_end: bool) -> Assessment:
        """Evaluate the surveyed samples.

        Parameters
        ----------
        encoder : Encoder
            Its head turns features into directions of the space where keys lie.
        table : FeatureTable
            Features before the head.
        at_the_end : bool
            Whether this is the survey after the last round.

        Returns
        -------
        Assessment
            Accuracies of the kNN monitor on held-out training samples
            (``knn_holdout_accuracy``) and on test samples (``knn_accuracy``), and of a linear
            layer (``probe_accuracy``); at the end also with few labels (``semi_10_accuracy``,
            ``semi_1_accuracy``), each after its last epoch. ``probe_best_accuracy`` picks its
            epoch by the test samples, as published figures do.
        """
        if not table.holds("bank") or not table.holds("test"):
            note = "mocosfl: no client sent samples to evaluate; see why each of them failed"
            return Assessment({}, {}, Aggregated(notes=(note,)))
        bank, test = table.features("bank"), table.features("test")
        directions = _projected(encoder, bank)
        hits = self._vote(directions, _projected(encoder, test))
        numbers = {"knn_accuracy": hits.accuracy}
        if table.holds("holdout"):
            holdout = _projected(encoder, table.features("holdout"))
            numbers["knn_holdout_accuracy"] = self._vote(directions, holdout).accuracy
        numbers |= self._probe(bank, test)
        notes: tuple[str, ...] = ()
        if at_the_end:
            few, notes = self._few_labels(bank, test)
            numbers |= few
        return Assessment(hits.evaluations, hits.samples, Aggregated(numbers, notes))

    def assess_inputs(self, surveyed: Mapping[int, Mapping[Split, Samples]]) -> dict[str, float]:
        """Evaluate inputs as they are, without any network.

        Parameters
        ----------
        surveyed : Mapping[int, Mapping[Split, Samples]]
            By client, what it would be surveyed with.

        Returns
        -------
        dict[str, float]
            ``raw_knn_accuracy`` and ``raw_probe_accuracy``: what the same classifiers make of
            the numbers that the network reads. A representation that is no better than this
            has learnt nothing that the inputs did not show.
        """
        table = FeatureTable(self._num_classes)
        for client, parts in surveyed.items():
            for split, samples in parts.items():
                table.add(split, client, prepare(samples.inputs).flatten(1), samples.labels)
        found = self.assess(Encoder(nn.Identity(), nn.Identity()), table, at_the_end=False)
        told = found.said.diagnostics
        return {f"raw_{name}": told[name] for name in _RAW if name in told}

    def _vote(self, bank: Features, queries: Features) -> Hits:
        return nearest_neighbours(
            bank,
            queries,
            num_classes=self._num_classes,
            neighbours=self._settings.knn_neighbours,
            temperature=self._settings.knn_temperature,
        )

    def _probe(self, bank: Features, test: Features) -> dict[str, float]:
        if not self._settings.probe_epochs:
            return {}
        probe = linear_probe(
            bank,
            test,
            num_classes=self._num_classes,
            generator=seeds.generator(self._seed, "linear-probe"),
            epochs=self._settings.probe_epochs,
        )
        return {"probe_accuracy": probe.last.accuracy, "probe_best_accuracy": probe.best_accuracy}

    def _few_labels(
        self, bank: Features, test: Features
    ) -> tuple[dict[str, float], tuple[str, ...]]:
        if not self._settings.semi_supervised:
            return {}, ()
        numbers: dict[str, float] = {}
        for name, share in _FEW.items():
            try:
                few = few_labels(
                    bank,
                    test,
                    share=share,
                    num_classes=self._num_classes,
                    generator=seeds.generator(self._seed, name),
                )
            except ModelError as error:  # too small a bank must not cost a finished run
                return numbers, (f"mocosfl: {error}",)
            numbers[name] = few.probe.last.accuracy
        return numbers, ()


@torch.no_grad()
def _projected(encoder: Encoder, features: Features) -> Features:
    return replace(features, features=encoder.project(features.features))
