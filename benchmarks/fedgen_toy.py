"""FedGen on a plane: what a user that sees a third of it learns alone, averaged, and taught.

As in the paper's prototype (section 4.1) features are the inputs themselves, two coordinates, so
that what is generated can be looked at. Three classes lie around the middle and overlap; each of
three users sees one third of the plane, in which the other classes are seldom. Printed is the
accuracy on the whole plane of one user, of the mean of all users' models, of the same user taught
by the generator, and of a model of everybody's samples; with a picture of what is generated.

Run with ``python -m benchmarks.fedgen_toy [--seeds N] [--picture FILE]``.
"""

import argparse
import copy
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import torch
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional

from strategies.fedgen.ensemble import ensemble_loss
from strategies.fedgen.generator import FeatureGenerator, likeness

_USERS: Final = 3
_SHOWN_AT: Final = (0, 50, 150, 250)
_STEPS: Final = 400
_NOISE: Final = 8
_COLUMNS: Final = ("one user", "mean of users", "user + FedGen", "all samples")


@final
@dataclass(frozen=True)
class Plane:
    """Points (points, 2) and their classes (points,) int64."""

    points: Tensor
    labels: Tensor

    def seen_by(self, user: int) -> "Plane":
        """Return the third of the plane that a user sees."""
        turned = torch.atan2(self.points[:, 1], self.points[:, 0]) % (2 * torch.pi)
        mine = (turned * _USERS / (2 * torch.pi)).long() == user
        return Plane(self.points[mine], self.labels[mine])


def drawn_plane(count: int, order: torch.Generator) -> Plane:
    """Draw points around three centres, one for each class."""
    labels = torch.randint(_USERS, (count,), generator=order)
    turned = (labels + 0.5) * (2 * torch.pi / _USERS)
    centres = 2 * torch.stack([turned.cos(), turned.sin()], dim=1)
    return Plane(centres + 0.7 * torch.randn(count, 2, generator=order), labels)


def main() -> None:
    """Play all seeds, print the accuracies, and draw the generator of the first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--picture", type=Path, help="PNG or SVG that takes the picture")
    arguments = parser.parse_args()
    found = [
        play(seed, arguments.picture if seed == 0 else None) for seed in range(arguments.seeds)
    ]
    table = Table("accuracy on the whole plane", *_COLUMNS)
    for seed, scores in enumerate(found):
        table.add_row(f"seed {seed}", *(f"{score:.3f}" for score in scores))
    means = [statistics.mean(scores) for scores in zip(*found, strict=True)]
    table.add_row("mean", *(f"{mean:.3f}" for mean in means))
    Console().print(table)


def play(seed: int, picture: Path | None = None) -> tuple[float, ...]:
    """Return the accuracies of one user, of the mean, of the user with FedGen, of all samples."""
    order = torch.Generator().manual_seed(seed)
    everybody, test = drawn_plane(600, order), drawn_plane(3000, order)
    users = [everybody.seen_by(user) for user in range(_USERS)]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        begun = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, _USERS))
        alone = [_learnt(begun, own) for own in users]
        whole = _learnt(begun, everybody)
        generator = _taught(alone, order, picture)
        helped = _learnt(begun, users[0], generator, order)
    mean = copy.deepcopy(begun)
    vectors = [nn.utils.parameters_to_vector(one.parameters()).detach() for one in alone]
    nn.utils.vector_to_parameters(torch.stack(vectors).mean(0), mean.parameters())
    return tuple(_accuracy(model, test) for model in (alone[0], mean, helped, whole))


def _learnt(
    begun: nn.Module,
    own: Plane,
    generator: FeatureGenerator | None = None,
    order: torch.Generator | None = None,
) -> nn.Module:
    """Return a model that learnt points, and with a generator as many that it draws."""
    model = copy.deepcopy(begun)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(_STEPS):
        loss = functional.cross_entropy(model(own.points), own.labels)
        if generator is not None:
            labels, points = _generated(generator, len(own.points), order)
            loss = loss + functional.cross_entropy(model(points.detach()), labels)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return model


def _taught(
    users: list[nn.Module], order: torch.Generator, picture: Path | None
) -> FeatureGenerator:
    """Return a generator that all users' models taught (eq. 4 of the paper)."""
    generator = FeatureGenerator(_NOISE, _USERS, 64, 2)
    optimiser = torch.optim.Adam(generator.parameters(), lr=3e-3)
    shown = []
    for step in range(_SHOWN_AT[-1] + 1):
        if step in _SHOWN_AT:
            shown.append(_generated(generator.eval(), 300, order))
        labels = torch.randint(_USERS, (128,), generator=order)
        noise = torch.randn(128, _NOISE, generator=order)
        points = generator.train()(noise, labels)
        logits = torch.stack([model(points) for model in users])
        taught = ensemble_loss("paper", logits, labels, torch.ones(_USERS, _USERS))
        loss = taught + likeness(noise, points)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    if picture:
        _draw(picture, shown)
    return generator.eval()


def _generated(
    generator: FeatureGenerator, count: int, order: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    labels = torch.randint(_USERS, (count,), generator=order)
    with torch.no_grad():
        return labels, generator(torch.randn(count, _NOISE, generator=order), labels)


def _accuracy(model: nn.Module, test: Plane) -> float:
    return float((model(test.points).argmax(1) == test.labels).float().mean())


def _draw(picture: Path, shown: list[tuple[Tensor, Tensor]]) -> None:
    figure = Figure(figsize=(12, 3.2), layout="constrained")
    for axis, step, (labels, points) in zip(
        figure.subplots(1, len(shown)), _SHOWN_AT, shown, strict=True
    ):
        axis.scatter(*points.T, c=labels, cmap="viridis", s=6)
        axis.set(title=f"generator after {step} steps", xlim=(-8, 8), ylim=(-8, 8))
    figure.savefig(picture, dpi=120)


if __name__ == "__main__":
    main()
