import math

import torch

from strategies.common.adapters.answers import answer_loss, worth

LOGITS = torch.tensor([[0.0, 2.0, -1.0], [1.0, 0.0, 0.0]])
LABELS = torch.tensor([1, 2])
SCORES = torch.tensor([[0.3, 1.0, 0.0], [0.6, 0.0, 0.9]])


def test_one_right_answer_costs_cross_entropy() -> None:
    first = -2.0 + math.log(1 + math.e**2 + math.e**-1)
    second = math.log(math.e + 2)
    assert math.isclose(
        answer_loss(LOGITS, LABELS, None).item(), (first + second) / 2, rel_tol=1e-6
    )


def test_several_right_answers_cost_binary_cross_entropy_summed_over_answers() -> None:
    total = 0.0
    for logits, scores in zip(LOGITS.tolist(), SCORES.tolist(), strict=True):
        for logit, score in zip(logits, scores, strict=True):
            p = 1 / (1 + math.exp(-logit))
            total -= score * math.log(p) + (1 - score) * math.log(1 - p)
    assert math.isclose(answer_loss(LOGITS, LABELS, SCORES).item(), total / 2, rel_tol=1e-6)


def test_an_answer_is_worth_its_score_or_nothing_but_the_right_one() -> None:
    assert worth(LOGITS, LABELS, SCORES).tolist() == [1.0, torch.tensor(0.6).item()]
    assert worth(LOGITS, LABELS, None).tolist() == [1.0, 0.0]
