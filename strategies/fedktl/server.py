"""The server half of FedKTL: align prototypes with a generator and draw what they map to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from strategies.common import seeds
from strategies.common.agreed import Need
from strategies.common.message import MessageServer
from strategies.common.presentation import Presentation, Setting
from strategies.common.provided import Provided
from strategies.common.round import Aggregated, Picture, Reply
from strategies.fedktl.alignment import Uploaded, align, latent_centroids
from strategies.fedktl.automatic import automatic
from strategies.fedktl.diagnosis import COMPARED_LATENTS, Diagnosis, diagnose
from strategies.fedktl.etf import check_num_classes
from strategies.fedktl.images import fit
from strategies.fedktl.measured import LOSSES, MEASURED
from strategies.fedktl.settings import FedKTLSettings
from strategies.fedktl.transformer import FeatureTransformer
from strategies.fedktl.variations import class_latents, project
from strategies.fedktl.wire import WIRE, ImageVectorPairs, Prototypes, picture_shape


@final
@dataclass
class FedKTLServerState:
    """What survives a round.

    Attributes
    ----------
    transformer : FeatureTransformer
        From prototypes to latent vectors (F); kept over rounds.
    images, vectors, labels : Tensor | None
        The last round's pairs as in ``wire.ImageVectorPairs``; ``None`` before the first
        round, after one without uploads, and always where the transfer weight is 0.
    """

    transformer: FeatureTransformer
    images: Tensor | None
    vectors: Tensor | None
    labels: Tensor | None


@final
class FedKTLServer(MessageServer[FedKTLSettings, FedKTLServerState, ImageVectorPairs, Prototypes]):
    """Draws images of the classes that were uploaded.

    A generator that calls its ``family`` ``"stylegan-xl"`` gets what the authors use with
    StyleGAN-XL.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.GENERATOR})
    wire = WIRE

    def __init__(self, settings: FedKTLSettings, provided: Provided) -> None:
        super().__init__(settings, provided)
        self._generator = provided.generator
        self._chosen = automatic(settings, provided.run.generator, self._generator)

    @classmethod
    def presentation(cls, settings: Mapping[str, Setting]) -> Presentation:
        """State how what it measures is drawn."""
        return Presentation(measured=MEASURED, losses=LOSSES)

    def resolved(self) -> Mapping[str, float | str]:
        """Return what the settings left at ``"auto"`` came to, by their names in the config."""
        return self._chosen.settings()

    def start(self) -> FedKTLServerState:
        """Return a fresh transformer and no pairs.

        Raises
        ------
        ModelError
            If there are fewer than two classes, or the clients' inputs are tokens.
        """
        task = self.agreed.task
        check_num_classes(task.num_classes)
        picture_shape(task.inputs, self.settings)
        with seeds.seeded(seeds.derive(self.provided.run.seed, "feature-transformer")):
            transformer = FeatureTransformer(task.num_classes, self._generator.latent_dim)
        return FedKTLServerState(transformer.to(self.provided.device), None, None, None)

    def broadcast(self, state: FedKTLServerState) -> ImageVectorPairs | None:
        """Return the last round's pairs, or nothing where there are none."""
        if state.images is None or state.vectors is None or state.labels is None:
            return None
        return ImageVectorPairs(state.images, state.vectors, state.labels)

    def aggregate(
        self,
        state: FedKTLServerState,
        round_number: int,
        replies: Sequence[Reply[Prototypes]],
    ) -> Aggregated:
        """Train the transformer, and draw each class from its latent centroid.

        Only classes with a prototype in this round get a pair: a vector that was made by an
        older transformer, or by none, says nothing of a class. Without any prototype the
        transformer stays as it is and nothing is sent next round. With a transfer weight
        of 0 that is so in every round, since clients would not look at what is drawn.

        Raises
        ------
        ModelError
            If the transformer diverged.
        GeneratorError
            If the generator cannot draw.
        """
        uploaded = self._gather([reply.uplink for reply in replies])
        if not self._chosen.transfer_weight:
            return Aggregated({"classes": float(len(uploaded.classes) if uploaded else 0)})
        if uploaded is None:
            state.images = state.vectors = state.labels = None
            note = "no prototypes arrived: no images next round, clients then learn alone"
            return Aggregated({"classes": 0.0}, (note,))
        randomness = seeds.generator(self.provided.run.seed, "alignment", round_number=round_number)
        centroids, diagnosis = self._align(state.transformer, uploaded, randomness)
        pictures = self._draw(state, centroids, uploaded.classes.tolist(), round_number)
        return Aggregated(diagnosis.numbers, diagnosis.notes, pictures)

    def _align(
        self, transformer: FeatureTransformer, uploaded: Uploaded, randomness: torch.Generator
    ) -> tuple[Tensor, Diagnosis]:
        """Train the transformer and return the latent centroids (present, latent)."""
        chosen = self._chosen
        losses = align(
            transformer, uploaded, self._sample_latents, self.settings, chosen, randomness
        )
        centroids = latent_centroids(transformer, uploaded, self.settings.centroid_statistics)
        projected = project(centroids) if chosen.project_centroids else None
        valid = self._sample_latents(COMPARED_LATENTS, randomness)
        batch = min(len(uploaded.rows), self.settings.server_batch_size)
        diagnosis = diagnose(
            losses, centroids, valid, chosen.bandwidths, batch, projected=projected
        )
        return centroids if projected is None else projected, diagnosis

    def _draw(
        self, state: FedKTLServerState, centroids: Tensor, classes: list[int], round_number: int
    ) -> tuple[Picture, ...]:
        """Set the next pairs, and return the centroids' images at the generator's own size."""
        per_class = self.settings.images_per_class
        vectors = class_latents(
            centroids,
            per_class,
            self._sample_latents,
            seeds.generator(self.provided.run.seed, "variations", round_number=round_number),
            projected=self._chosen.project_centroids,
        )
        pictures = self._generator.synthesize(vectors).cpu()
        state.images = fit(pictures, *picture_shape(self.agreed.task.inputs, self.settings))
        state.vectors = vectors.cpu()
        state.labels = torch.tensor(classes).repeat_interleave(per_class)
        return tuple(
            Picture(f"class-{label}", picture)
            for label, picture in zip(classes, pictures[::per_class], strict=True)
        )

    def _gather(self, sent: Sequence[Prototypes]) -> Uploaded | None:
        """Put all prototypes below each other."""
        if not any(len(uplink.labels) for uplink in sent):
            return None
        rows = torch.cat([uplink.rows for uplink in sent]).to(self.provided.device)
        labels = torch.cat([uplink.labels for uplink in sent]).to(self.provided.device)
        classes, places = torch.unique(labels, return_inverse=True)
        return Uploaded(rows, classes, places)

    def _sample_latents(self, count: int, generator: torch.Generator) -> Tensor:
        return self._generator.sample_latents(count, generator).to(self.provided.device)
