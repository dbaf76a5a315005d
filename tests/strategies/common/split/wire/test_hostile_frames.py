"""Damaged and random frames: refused or taken in, without a warning and without harm."""

from collections import Counter

from benchmarks.fuzz_frames import Subject, mutant, outcome


def test_two_thousand_damaged_frames_do_no_harm() -> None:
    subjects = [
        Subject("float32", "float32"),
        Subject("float16", "float16"),
        Subject("uint8", "float16"),
    ]
    results: Counter[str] = Counter()
    for number in range(2000):
        subject, raw, up = mutant(subjects, 1, number)
        result, wrong = outcome(subject, raw, up=up)
        assert wrong == "", f"case {number}"
        results[result] += 1
    # Damage that nobody refuses would search nothing, and so would damage that all do.
    assert results["refused"] > 1500
    assert results["taken in as activations"] > 5
    assert results["taken in as gradients"] > 5
    assert results["taken in as survey"] > 5
