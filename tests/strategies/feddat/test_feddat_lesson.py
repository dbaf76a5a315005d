from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from strategies.common.adapters.adapter_set import AdapterSet, AdapterShape
from strategies.common.adapters.answering import Answering
from strategies.common.adapters.dual import DualAdapter
from strategies.common.adapters.reading import Batch, Reader
from strategies.common.adapters.sites import find_sites
from strategies.feddat.lesson import MutualLesson
from strategies.feddat.settings import FedDATSettings
from tests.strategies.asking_device import questions
from tests.strategies.tiny_backbone import WIDTH, TinyBackbone

CPU = torch.device("cpu")


class Recorder:
    """Takes steps down losses, and notes which modules each loss reaches."""

    def __init__(self, modules: dict[str, nn.Module], rate: float = 0.02) -> None:
        self.modules, self.rate = modules, rate
        self.reached: list[set[str]] = []
        self.losses: list[float] = []

    def step(self, loss: Tensor) -> None:
        self.losses.append(loss.item())
        reached = set()
        moves = []
        for name, module in self.modules.items():
            own = list(module.parameters())
            found = torch.autograd.grad(loss, own, retain_graph=True, allow_unused=True)
            if any(gradient is not None and gradient.abs().sum() > 0 for gradient in found):
                reached.add(name)
            moves += [(p, g) for p, g in zip(own, found, strict=True) if g is not None]
        with torch.no_grad():
            for parameter, gradient in moves:
                parameter.sub_(self.rate * gradient)
        self.reached.append(reached)


class Scene:
    def __init__(self, **changes: object) -> None:
        values = {
            "alpha": 1.0, "beta": 1.0, "temperature": 3.0, "joint_step": False,
            "inference": "shared", **changes,
        }  # fmt: skip
        self.backbone = TinyBackbone()
        shape = AdapterShape.at(find_sites(self.backbone.module), 2)
        self.shared, self.frozen, self.local = (
            AdapterSet(shape, "normal", torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
        )
        with torch.no_grad():
            for adapter in (self.shared, self.frozen, self.local):
                for parameter in adapter.parameters():
                    parameter.mul_(40)
        self.head = nn.Sequential(nn.Linear(WIDTH, 3))
        nn.init.normal_(self.head[0].weight, generator=torch.Generator().manual_seed(3))
        nn.init.zeros_(self.head[0].bias)
        self.batch = Reader(self.backbone, questions(6, 0), CPU).batch(slice(0, 6))
        self.answering = Answering(self.backbone, self.head)
        self.teacher = DualAdapter(self.frozen, self.local)
        self.optimiser = Recorder(
            {"shared": self.shared, "frozen": self.frozen, "local": self.local, "head": self.head}
        )
        settings = FedDATSettings(**values)  # type: ignore[arg-type]
        self.taught = MutualLesson(settings, self.answering, self.shared, self.teacher)

    def lesson(self, batch: Batch) -> Mapping[str, float]:
        return self.taught(batch, self.optimiser)  # type: ignore[arg-type]

    def logits(self) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            return (
                self.answering.logits(self.batch, self.shared),
                self.answering.logits(self.batch, self.teacher),
            )


def divergence(student: Tensor, teacher: Tensor, temperature: float) -> float:
    """KL from student to teacher, in plain sums."""
    p, q = (x / temperature for x in (teacher, student))
    p, q = p.softmax(1), q.softmax(1)
    return float(temperature**2 * (p * (p.log() - q.log())).sum(1).mean())


def test_the_first_step_moves_shared_and_head_and_the_second_own_and_head() -> None:
    scene = Scene()
    scene.lesson(scene.batch)
    assert scene.optimiser.reached == [{"shared", "head"}, {"local", "head"}]


def test_both_losses_are_those_of_the_paper() -> None:
    scene = Scene(alpha=0.7, beta=0.3, temperature=2.0)
    by_shared, by_teacher = scene.logits()
    labels = scene.batch.labels
    scene.lesson(scene.batch)
    first = functional.cross_entropy(by_shared, labels).item()
    first += 0.7 * divergence(by_shared, by_teacher, 2.0)
    assert abs(scene.optimiser.losses[0] - first) < 1e-5


def test_the_second_loss_learns_from_the_shared_logits_of_before_the_first_step() -> None:
    scene = Scene(beta=1.0, temperature=1.0)
    before, _ = scene.logits()
    losses = scene.lesson(scene.batch)
    # The same scene, stopped between both steps.
    halfway = Scene(beta=1.0, temperature=1.0)
    take = halfway.optimiser.step
    halfway.optimiser.step = lambda loss: None if halfway.optimiser.losses else take(loss)  # type: ignore[method-assign]
    halfway.lesson(halfway.batch)
    moved, by_teacher = halfway.logits()
    distilled = losses["teacher"] - functional.cross_entropy(by_teacher, scene.batch.labels).item()
    assert abs(distilled - divergence(by_teacher, before, 1.0)) < 1e-5
    assert abs(distilled - divergence(by_teacher, moved, 1.0)) > 1e-4


def test_without_distillation_both_losses_are_cross_entropy_alone() -> None:
    scene = Scene(alpha=0.0, beta=0.0)
    by_shared, _ = scene.logits()
    passes: list[object] = []
    scene.backbone.module.register_forward_hook(lambda *_: passes.append(1))
    losses = scene.lesson(scene.batch)
    assert abs(losses["shared"] - functional.cross_entropy(by_shared, scene.batch.labels)) < 1e-6
    # Nobody needs the teacher's logits of before the first step.
    assert len(passes) == 2


def test_a_joint_step_moves_all_three_at_once() -> None:
    scene = Scene(joint_step=True)
    by_shared, by_teacher = scene.logits()
    losses = scene.lesson(scene.batch)
    assert scene.optimiser.reached == [{"shared", "local", "head"}]
    labels = scene.batch.labels
    expected = functional.cross_entropy(by_teacher, labels) + divergence(by_teacher, by_shared, 3.0)
    assert abs(losses["teacher"] - expected) < 1e-5


def test_the_frozen_copy_is_never_reached() -> None:
    for joint in (False, True):
        scene = Scene(joint_step=joint)
        before = scene.frozen.vector()
        scene.lesson(scene.batch)
        assert torch.equal(scene.frozen.vector(), before)
