from collections import Counter, defaultdict

import pytest
import torch

from client_app.data.digitgrid import benchmarks, domains
from client_app.data.digitgrid.questions import ANSWERS, DIGITS, Kind
from strategies.common.errors import SettingsError
from strategies.common.samples import Samples

KINDS_OF_START = {
    "what digit is at": Kind.OBJECT,
    "what colour is at": Kind.ATTRIBUTE,
    "how many is": Kind.COUNT,
    "what digit is": Kind.RELATION,
    "is": Kind.LOGIC,
}


def _kind(question: str) -> Kind:
    return next(kind for start, kind in KINDS_OF_START.items() if question.startswith(start))


def _words(samples: Samples, answers: tuple[str, ...]) -> list[str]:
    return [answers[label] for label in samples.labels.tolist()]


@pytest.mark.parametrize("benchmark_name", benchmarks.BENCHMARKS)
def test_samples_are_whole(benchmark_name: str) -> None:
    train, test, answers = benchmarks.client(benchmark_name, 2, 60, 20, seed=0)
    for samples, count in ((train, 60), (test, 20)):
        assert samples.inputs.shape == (count, 3, 32, 32)
        assert samples.inputs.dtype == torch.uint8
        assert samples.labels.dtype == torch.int64
        assert len(samples) == len(samples.questions) == count
        assert int(samples.labels.max()) < len(answers)
        assert samples.scores is None
        for question, answer in zip(samples.questions, _words(samples, answers), strict=True):
            assert answer in ANSWERS[_kind(question)]


@pytest.mark.parametrize("benchmark_name", ["domain", "related"])
def test_all_kinds_are_asked_and_all_answers_known(benchmark_name: str) -> None:
    for client in range(5):
        train, _, answers = benchmarks.client(benchmark_name, client, 100, 1, seed=0)
        assert len(answers) == len(set(answers)) == 17
        assert {_kind(question) for question in train.questions} == set(Kind)


def test_each_client_of_function_asks_one_kind() -> None:
    for client in range(7):
        train, test, answers = benchmarks.client("function", client, 50, 20, seed=0)
        kind = Kind(client % 5)
        assert {_kind(question) for question in train.questions + test.questions} == {kind}
        assert set(answers) == set(ANSWERS[kind])
        # White paper: all see negatives.
        assert train.inputs.float().mean() > 150


def test_clients_see_their_own_domain() -> None:
    # Mean brightness of the five domains, by the same pictures' order of appearance.
    means = []
    for client in range(6):
        train, _, _ = benchmarks.client("domain", client, 100, 1, seed=0)
        means.append(float(train.inputs.float().mean()))
    assert max(means) == means[1]  # inverted
    assert min(means) == min(means[3], means[4])  # dim or outlines
    assert abs(means[5] - means[0]) < 3  # client 5 has the domain of client 0
    assert len(domains.DOMAINS) == 5


def test_the_list_of_answers_is_sorted_by_frequency_in_training() -> None:
    train, _, answers = benchmarks.client("domain", 0, 300, 50, seed=0)
    counts = Counter(_words(train, answers))
    ranks = [(-counts[answer], answer) for answer in answers]
    assert ranks == sorted(ranks)


def test_answers_that_training_lacks_come_last_and_in_order() -> None:
    train, _, answers = benchmarks.client("function", 0, 3, 40, seed=0)
    seen = set(_words(train, answers))
    assert set(answers[: len(seen)]) == seen
    assert list(answers[len(seen) :]) == [digit for digit in DIGITS if digit not in seen]


def test_clients_have_lists_of_their_own() -> None:
    lists = {benchmarks.client("domain", client, 200, 1, seed=0)[2] for client in range(5)}
    assert len(lists) == 5


def test_the_same_again_and_more_of_the_same() -> None:
    for client in range(5):
        few, few_test, few_answers = benchmarks.client("domain", client, 9, 4, seed=7)
        again, _, _ = benchmarks.client("domain", client, 9, 4, seed=7)
        many, many_test, many_answers = benchmarks.client("domain", client, 50, 30, seed=7)
        assert torch.equal(few.inputs, again.inputs)
        assert (few.inputs.int() - many.inputs[:9].int()).abs().max() <= 1
        assert few.questions == many.questions[:9]
        assert _words(few, few_answers) == _words(many, many_answers)[:9]
        assert (few_test.inputs.int() - many_test.inputs[:4].int()).abs().max() <= 1
        assert few_test.questions == many_test.questions[:4]


def test_seeds_clients_benchmarks_and_halves_draw_apart() -> None:
    drawn = [
        benchmarks.client("domain", 0, 30, 30, seed=0)[0].questions,
        benchmarks.client("domain", 0, 30, 30, seed=0)[1].questions,
        benchmarks.client("domain", 0, 30, 30, seed=1)[0].questions,
        benchmarks.client("domain", 5, 30, 30, seed=0)[0].questions,
        benchmarks.client("related", 0, 30, 30, seed=0)[0].questions,
    ]
    assert len(set(drawn)) == len(drawn)


def _blind(train: Samples, test: Samples) -> tuple[float, float]:
    """Score one constant answer, and the best answer to each wording, on test questions."""
    ((constant, _),) = Counter(train.labels.tolist()).most_common(1)
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    for question, label in zip(train.questions, train.labels.tolist(), strict=True):
        counts[question][label] += 1
    right = [
        counts[question].most_common(1)[0][0] == label
        for question, label in zip(test.questions, test.labels.tolist(), strict=True)
    ]
    return float((test.labels == constant).float().mean()), sum(right) / len(right)


def test_little_can_be_had_without_a_look_at_the_picture() -> None:
    # Worked out: the best constant is "yes" or "no", a half of a fifth; the best answer to each
    # wording is right on (1/10 + 1/5 + 1/4 + 1/10 + 1/2) / 5 = 23 %.
    train, test, _ = benchmarks.client("domain", 0, 4000, 4000, seed=0)
    constant, by_wording = _blind(train, test)
    assert constant < 0.12
    assert 0.18 < by_wording < 0.26
    for client, chance in enumerate((0.1, 0.2, 0.25, 0.1, 0.5)):
        train, test, _ = benchmarks.client("function", client, 2000, 2000, seed=0)
        constant, by_wording = _blind(train, test)
        assert abs(constant - chance) < 0.04
        assert by_wording < chance + 0.04


def test_an_unknown_benchmark() -> None:
    with pytest.raises(SettingsError, match="domain, function, related, got 'scene'"):
        benchmarks.client("scene", 0, 1, 1, seed=0)
