import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from strategies.common.distillation import distillation_loss


def test_it_is_the_divergence_from_teacher_to_student_times_the_square_of_t() -> None:
    student, teacher = torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 2 * math.log(3)]])
    # At T = 2 the teacher says 1/4 and 3/4, the student 1/2 and 1/2.
    expected = 4 * (0.25 * math.log(0.5) + 0.75 * math.log(1.5))
    assert math.isclose(distillation_loss(student, teacher, 2.0).item(), expected, rel_tol=1e-5)
    other_way = 4 * (0.5 * math.log(2.0) + 0.5 * math.log(2 / 3))
    assert math.isclose(distillation_loss(teacher, student, 2.0).item(), other_way, rel_tol=1e-5)


@given(st.integers(0, 10_000), st.floats(0.5, 8))
def test_it_is_nothing_between_equals_and_never_negative(seed: int, temperature: float) -> None:
    logits = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(seed))
    assert abs(distillation_loss(logits[0], logits[0], temperature)) < 1e-5
    assert distillation_loss(logits[0], logits[1], temperature) > -1e-5


def test_only_the_student_gets_a_gradient() -> None:
    student, teacher = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0)).unbind()
    student.requires_grad_()
    teacher.requires_grad_()
    distillation_loss(student, teacher, 3.0).backward()
    assert teacher.grad is None
    assert student.grad is not None
    # (softmax(student/T) - softmax(teacher/T)) T, averaged over the batch.
    expected = 3 * ((student / 3).softmax(1) - (teacher / 3).softmax(1)) / 3
    assert torch.allclose(student.grad, expected, atol=1e-6)
