"""A server's part of a round of each method in plain PyTorch, on what five clients sent.

Each function gets a case and a state of its own, and returns what is timed, which returns what the
round came to.
"""

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from benchmarks import bare_clients, bare_guided, bare_mutual
from benchmarks.bare_clients import Play, outputs, scaled
from benchmarks.bare_factors import factors, product
from benchmarks.seconds_case import CLASSES, ROUND, Case
from strategies.common import seeds
from strategies.fedktl.automatic import automatic

Part = Callable[[Case, Any], Play]


def _batches(count: int, size: int, order: torch.Generator) -> Iterator[Tensor]:
    yield from torch.split(torch.randperm(count, generator=order), size)


def _order(case: Case, purpose: str) -> torch.Generator:
    return seeds.generator(case.device.settings.seed, purpose, round_number=ROUND)


def nothing(case: Case, state: Any) -> Play:  # noqa: ARG001
    """Do nothing."""
    return lambda: None


def mean(case: Case, state: Any) -> Play:  # noqa: ARG001
    """Average what was sent."""
    sent = case.sent("parameters")
    return lambda: torch.stack(sent).mean(0)


def mean_by_class(case: Case, state: Any) -> Play:  # noqa: ARG001
    """Average rows by class."""
    rows, labels = case.sent("rows"), case.sent("labels")
    return lambda: bare_clients.class_means(torch.cat(rows), torch.cat(labels))


def fedtgp(case: Case, state: Any) -> Play:
    """Let prototypes learn to part what was sent."""
    own, learner, every = case.server.settings, state.prototypes, torch.arange(CLASSES)

    def play() -> Tensor:
        rows, labels = torch.cat(case.sent("rows")), torch.cat(case.sent("labels"))
        means = bare_clients.class_means(rows, labels)
        margin = min(float(torch.cdist(means, means).max()), own.largest_margin)
        optimiser = torch.optim.SGD(learner.parameters(), own.server_learning_rate)
        order = _order(case, "prototypes")
        for _ in range(own.server_epochs):
            for part in _batches(len(rows), own.server_batch_size, order):
                apart = torch.cdist(
                    rows[part], learner(every), compute_mode="donot_use_mm_for_euclid_dist"
                )
                logits = -(apart + margin * functional.one_hot(labels[part], CLASSES))
                optimiser.zero_grad()
                functional.cross_entropy(logits, labels[part]).backward()  # type: ignore[no-untyped-call]
                optimiser.step()
        found: Tensor = learner(every).detach()
        return found

    return play


def fedgh(case: Case, state: Any) -> Play:
    """Let the head learn from means."""
    own, head = case.server.settings, nn.Linear(case.device.task.feature_dim, CLASSES)

    def play() -> Tensor:
        vector_to_parameters(state.fields["parameters"].clone(), head.parameters())
        rows, labels = torch.cat(case.sent("rows")), torch.cat(case.sent("labels"))
        optimiser = torch.optim.SGD(head.parameters(), own.server_learning_rate)
        order = _order(case, "head")
        for _ in range(own.server_epochs):
            for part in _batches(len(rows), own.server_batch_size, order):
                optimiser.zero_grad()
                functional.cross_entropy(head(rows[part]), labels[part]).backward()  # type: ignore[no-untyped-call]
                optimiser.step()
        return parameters_to_vector(head.parameters()).detach()

    return play


def fedkd(case: Case, state: Any) -> Play:
    """Average what factors stand for, and factorise the mean."""
    run, shapes = case.device.settings, case.server.agreed.beside.shapes
    energy = case.server.settings.energy(ROUND, run.rounds)

    def play() -> Tensor:
        told = zip(case.sent("numbers"), case.sent("ranks"), strict=True)
        every = [product(numbers, ranks.tolist(), shapes) for numbers, ranks in told]
        numbers, ranks = factors(torch.stack(every).mean(0), shapes, energy)
        moved: Tensor = state.parameters + product(numbers, ranks, shapes)
        return moved

    return play


def fedl2g(case: Case, state: Any) -> Play:
    """Move vectors against the mean of what came for each."""
    own, average = case.server.settings, mean_by_class(case, state)

    def play() -> Tensor:
        gradient = average()
        assert gradient is not None  # noqa: S101 - of rows there is a mean
        gradient = gradient.nan_to_num()
        norm = float(gradient.norm())
        scale = min(1.0, own.max_norm / norm) if norm else 1.0
        moved: Tensor = state.rows - own.server_learning_rate * scale * gradient
        return moved

    return play


def fedmd(case: Case, state: Any) -> Play:  # noqa: ARG001
    """Average logits."""
    sent = case.sent("rows")
    return lambda: torch.stack(sent).mean(0)


def dsfl(case: Case, state: Any) -> Play:  # noqa: ARG001
    """Average distributions, and make them surer."""
    sent, temperature = case.sent("rows"), case.server.settings.temperature
    return lambda: (torch.stack(sent).mean(0) / temperature).softmax(1)


def feddf(case: Case, state: Any) -> Play:  # noqa: ARG001
    """Let all models teach their mean, on open data."""
    own, student = case.server.settings, case.device.build_model()
    teachers = [copy.deepcopy(student) for _ in case.replies]
    inputs, key = case.device.open_data.inputs, case.replies[0].architecture.key

    def play() -> Tensor:
        for one, sent in zip(teachers, case.sent("parameters"), strict=True):
            vector_to_parameters(sent.clone(), one.parameters())
        logits = torch.stack([outputs(inputs, one, one) for one in teachers]).mean(0)
        vector_to_parameters(torch.stack(case.sent("parameters")).mean(0), student.parameters())
        optimiser = torch.optim.Adam(student.parameters())
        order = _order(case, f"distillation {key}")
        student.train()
        for step in range(own.distill_steps):
            cosine = (1 + math.cos(math.pi * step / own.distill_steps)) / 2
            optimiser.param_groups[0]["lr"] = own.distill_learning_rate * cosine
            part = torch.randperm(len(inputs), generator=order)[: own.distill_batch_size]
            told, teacher = student(scaled(inputs[part])).log_softmax(1), logits[part].softmax(1)
            optimiser.zero_grad()
            (teacher * (teacher.log() - told)).sum(1).mean().backward()
            optimiser.step()
        return parameters_to_vector(student.parameters()).detach()

    return play


def fedgen(case: Case, state: Any) -> Play:
    """Average models, and teach the generator by their heads."""
    own, width = case.server.settings, case.device.task.feature_dim
    generator = case.told("built_generator")(case.server.agreed).train()

    def play() -> Tensor:
        sent = torch.stack(case.sent("parameters"))
        found = sent.mean(0)
        ends = sent[:, -CLASSES * (width + 1) :]
        weight, bias = ends[:, : CLASSES * width].view(-1, CLASSES, width), ends[:, -CLASSES:]
        optimiser = torch.optim.Adam(
            generator.parameters(),
            own.generator_learning_rate,
            weight_decay=own.generator_weight_decay,
        )
        order = _order(case, "generator")
        for _ in range(own.generator_steps):
            y = torch.multinomial(
                state.prior, own.generator_batch_size, replacement=True, generator=order
            )
            noise = torch.randn(len(y), own.noise_dim, generator=order)
            features = generator(noise, y)
            logits = (torch.einsum("kcw,bw->kbc", weight, features) + bias[:, None]).mean(0)
            apart = torch.cdist(features, features, p=1) / width
            alike = (-(torch.cdist(noise, noise).square() / own.noise_dim * apart).mean()).exp()
            loss = functional.cross_entropy(logits, y) + own.diversity_weight * alike
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        return found

    return play


def fedktl(case: Case, state: Any) -> Play:
    """Align prototypes with latent vectors, and draw each class."""
    own, layers, drawer = case.server.settings, state.transformer.layers, case.server.provided
    chosen = automatic(own, case.device.settings.generator, drawer.generator)

    def centroids(rows: Tensor, labels: Tensor) -> Tensor:
        with torch.no_grad():
            first = layers[0](rows)
            spread, middle = torch.var_mean(first, 0, correction=0)
            normal = (first - middle) / (spread + layers[1].eps).sqrt()
            normal = (normal * layers[1].weight + layers[1].bias).relu()
            return bare_clients.class_means(layers[3](normal), labels)

    def play() -> Tensor:
        rows, labels = torch.cat(case.sent("rows")), torch.cat(case.sent("labels"))
        table = nn.Parameter(centroids(rows, labels))
        optimiser = torch.optim.Adam([*layers.parameters(), table], chosen.server_learning_rate)
        order = _order(case, "alignment")
        layers.train()
        for _ in range(own.server_epochs):
            for part in _batches(len(rows), own.server_batch_size, order):
                vectors = layers(rows[part])
                latents = drawer.generator.sample_latents(len(part), order)
                loss = _discrepancy(vectors, latents, chosen.bandwidths)
                apart = functional.mse_loss(vectors, table[labels[part]])
                optimiser.zero_grad()
                (loss + chosen.alignment_weight * apart).backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(layers.parameters(), 100.0)
                nn.utils.clip_grad_norm_([table], 100.0)
                optimiser.step()
        vectors = centroids(rows, labels)
        drawer.generator.synthesize(vectors)
        return vectors

    return play


def _discrepancy(vectors: Tensor, latents: Tensor, kind: str) -> Tensor:
    """Return the mean of a kernel within both samples, less twice that between them."""
    points, count = torch.cat([vectors, latents]), len(vectors)
    squares = points.square().sum(1)
    distances = (squares[:, None] + squares - 2 * points @ points.T).clamp_min(0)
    bandwidths: list[Any] = [10.0, 15.0, 20.0, 50.0]
    if kind == "median":
        upper = torch.triu_indices(len(points), len(points), 1)
        median = distances.detach()[upper[0], upper[1]].median()
        bandwidths = [part * median for part in (0.25, 0.5, 1.0, 2.0)]
    kernel = torch.stack([torch.exp(-distances / (2 * one)) for one in bandwidths]).sum(0)
    within = kernel[:count, :count].mean() + kernel[count:, count:].mean()
    found: Tensor = within - 2 * kernel[:count, count:].mean()
    return found


# A client's part and the server's, by method.
BARE: Final[Mapping[str, tuple[Part, Part]]] = {
    "local": (bare_clients.local, nothing),
    "fedavg": (bare_clients.whole_model, mean),
    "fedktl": (bare_guided.fedktl, fedktl),
    "fedproto": (bare_clients.prototypes, mean_by_class),
    "fedtgp": (bare_clients.prototypes, fedtgp),
    "fedgh": (bare_clients.head_of_means, fedgh),
    "lgfedavg": (bare_clients.head, mean),
    "fml": (bare_mutual.fml, mean),
    "fedkd": (bare_mutual.fedkd, fedkd),
    "fedmrl": (bare_clients.fedmrl, mean),
    "fedl2g": (bare_guided.fedl2g, fedl2g),
    "fd": (bare_clients.fd, mean_by_class),
    "dsfl": (bare_clients.open_data, dsfl),
    "fedmd": (bare_clients.open_data, fedmd),
    "feddf": (bare_clients.whole_model, feddf),
    "fedgen": (bare_guided.fedgen, fedgen),
}
