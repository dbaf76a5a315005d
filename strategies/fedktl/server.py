"""The server half of FedKTL: align prototypes with a generator and draw what they map to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from generators.base import ImageGenerator
from strategies.common import seeds
from strategies.common.errors import WireError
from strategies.common.method import Aggregated, Picture, ServerHalf
from strategies.common.settings import RunSettings
from strategies.common.task import Task
from strategies.common.transport.compute import torch_device
from strategies.common.wire import Payload
from strategies.fedktl.alignment import Uploaded, align, latent_centroids
from strategies.fedktl.automatic import automatic
from strategies.fedktl.diagnosis import COMPARED_LATENTS, Diagnosis, diagnose
from strategies.fedktl.etf import check_num_classes
from strategies.fedktl.images import fit
from strategies.fedktl.settings import FedKTLSettings
from strategies.fedktl.transformer import FeatureTransformer
from strategies.fedktl.variations import class_latents, project
from strategies.fedktl.wire import ImageVectorPairs, Prototypes

# Unit vectors that travelled as float16 are off by a thousandth.
_LENGTH_TOLERANCE = 0.01


@final
@dataclass
class FedKTLServerState:
    """What survives a round.

    Attributes
    ----------
    transformer : FeatureTransformer
        From prototypes to latent vectors (F); kept over rounds.
    image_shape : Tensor
        (3,) int64; channels, height and width of the clients' inputs.
    images, vectors, labels : Tensor | None
        The last round's pairs as in ``wire.ImageVectorPairs``; ``None`` before the first
        round, after one without uploads, and always where the transfer weight is 0.
    """

    transformer: FeatureTransformer
    image_shape: Tensor
    images: Tensor | None
    vectors: Tensor | None
    labels: Tensor | None


@final
class FedKTLServer(ServerHalf[FedKTLServerState, ImageVectorPairs, Prototypes]):
    """Draws images of the classes that were uploaded.

    Parameters
    ----------
    settings : FedKTLSettings
        How to train the feature transformer.
    run : RunSettings
        Seed, device and name of the generator.
    generator : ImageGenerator
        Draws the images; only used for inference. One that calls its ``family``
        ``"stylegan-xl"`` gets what the authors use with StyleGAN-XL.
    """

    uplink: ClassVar[type[Payload] | None] = Prototypes
    needs_generator: ClassVar[bool] = True

    def __init__(
        self, settings: FedKTLSettings, run: RunSettings, generator: ImageGenerator
    ) -> None:
        self._settings = settings
        self._run = run
        self._generator = generator
        self._device = torch_device(run.server_device)
        self._chosen = automatic(
            settings,
            run.generator,
            family=generator.family,
            gaussian_latents=generator.gaussian_latents,
        )
        self._last: ImageVectorPairs | None = None

    def resolved(self) -> Mapping[str, float | str]:
        """Return what the settings left at ``"auto"`` came to, by their names in the config."""
        return self._chosen.settings()

    def start(self, task: Task) -> FedKTLServerState:
        """Return a fresh transformer and no pairs.

        Raises
        ------
        ModelError
            If there are fewer than two classes.
        """
        check_num_classes(task.num_classes)
        with seeds.seeded(seeds.derive(self._run.seed, "feature-transformer")):
            transformer = FeatureTransformer(task.num_classes, self._generator.latent_dim)
        shape = torch.tensor([task.channels, task.height, task.width])
        return FedKTLServerState(transformer.to(self._device), shape, None, None, None)

    def downlink(
        self,
        state: FedKTLServerState,
        partition: int,  # noqa: ARG002
    ) -> ImageVectorPairs | None:
        """Return the same pairs for every client, or nothing where there are none."""
        if state.images is None or state.vectors is None or state.labels is None:
            return None
        # One object for all clients is packed for sending once.
        if self._last is None or self._last.images is not state.images:
            self._last = ImageVectorPairs(state.images, state.vectors, state.labels)
        return self._last

    def check(self, partition: int, uplink: Prototypes) -> None:
        """Refuse prototypes that are not of unit length: one alone could sway all others.

        Raises
        ------
        WireError
            Naming the length that is farthest from 1.
        """
        lengths = uplink.means.norm(dim=1)
        errors = (lengths - 1).abs()
        if bool((errors > _LENGTH_TOLERANCE).any()):
            raise WireError(
                f"client {partition}: {Prototypes.schema}.means: expected rows of length 1, got "
                f"{lengths[errors.argmax()].item():.4g}"
            )

    def aggregate(
        self,
        state: FedKTLServerState,
        round_number: int,
        uplinks: Mapping[int, Prototypes],
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
        uploaded = self._gather(uplinks)
        if not self._chosen.transfer_weight:
            return Aggregated({"classes": float(len(uploaded.classes) if uploaded else 0)})
        if uploaded is None:
            state.images = state.vectors = state.labels = None
            note = "no prototypes arrived: no images next round, clients then learn alone"
            return Aggregated({"classes": 0.0}, (note,))
        randomness = seeds.generator(self._run.seed, "alignment", round_number=round_number)
        centroids, diagnosis = self._align(state.transformer, uploaded, randomness)
        pictures = self._draw(state, centroids, uploaded.classes.tolist(), round_number)
        return Aggregated(diagnosis.numbers, diagnosis.notes, pictures)

    def _align(
        self, transformer: FeatureTransformer, uploaded: Uploaded, randomness: torch.Generator
    ) -> tuple[Tensor, Diagnosis]:
        """Train the transformer and return the latent centroids (present, latent)."""
        chosen = self._chosen
        losses = align(
            transformer, uploaded, self._sample_latents, self._settings, chosen, randomness
        )
        centroids = latent_centroids(transformer, uploaded, self._settings.centroid_statistics)
        projected = project(centroids) if chosen.project_centroids else None
        valid = self._sample_latents(COMPARED_LATENTS, randomness)
        batch = min(len(uploaded.rows), self._settings.server_batch_size)
        diagnosis = diagnose(
            losses, centroids, valid, chosen.bandwidths, batch, projected=projected
        )
        return centroids if projected is None else projected, diagnosis

    def _draw(
        self, state: FedKTLServerState, centroids: Tensor, classes: list[int], round_number: int
    ) -> tuple[Picture, ...]:
        """Set the next pairs, and return the centroids' images at the generator's own size."""
        per_class = self._settings.images_per_class
        vectors = class_latents(
            centroids,
            per_class,
            self._sample_latents,
            seeds.generator(self._run.seed, "variations", round_number=round_number),
            projected=self._chosen.project_centroids,
        )
        pictures = self._generator.synthesize(vectors).cpu()
        channels, height, width = state.image_shape.tolist()
        state.images = fit(pictures, channels, height, width)
        state.vectors = vectors.cpu()
        state.labels = torch.tensor(classes).repeat_interleave(per_class)
        return tuple(
            Picture(f"class-{label}", picture)
            for label, picture in zip(classes, pictures[::per_class], strict=True)
        )

    def _gather(self, uplinks: Mapping[int, Prototypes]) -> Uploaded | None:
        """Put all prototypes below each other, by partition so that the order is fixed."""
        ordered = [uplinks[partition] for partition in sorted(uplinks)]
        if not any(len(uplink.labels) for uplink in ordered):
            return None
        means = torch.cat([uplink.means for uplink in ordered]).to(self._device)
        labels = torch.cat([uplink.labels for uplink in ordered]).to(self._device)
        classes, rows = torch.unique(labels, return_inverse=True)
        return Uploaded(means, classes, rows)

    def _sample_latents(self, count: int, generator: torch.Generator) -> Tensor:
        return self._generator.sample_latents(count, generator).to(self._device)
