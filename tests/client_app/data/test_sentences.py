"""The built-in texts: the same for all, and neither given away nor hopeless."""

import torch

from client_app.data import sentences
from client_app.data.words import words_of
from strategies.common.settings import RunSettings


def test_all_have_the_same_texts_of_every_subject() -> None:
    texts, labels = sentences.made()
    assert sentences.made() == (texts, labels)
    assert len(texts) == sentences.NUM_TEXTS
    counts = torch.tensor(labels).bincount()
    assert counts.tolist() == [sentences.NUM_TEXTS // 6] * 6
    assert len(set(texts)) > 0.99 * len(texts)


def test_a_subject_shows_in_most_words_and_not_in_all() -> None:
    texts, labels = sentences.made()
    subjects = [set(words.split()) for words in sentences.SUBJECTS.values()]
    every = set.union(*subjects)
    told = [
        word in subjects[label]
        for text, label in zip(texts, labels, strict=True)
        for word in words_of(text)
        if word in every
    ]
    assert 0.8 < sum(told) / len(told) < 0.95


def test_they_are_a_source_of_tokens(run_settings: object) -> None:
    run: RunSettings = run_settings(text_length=20)  # type: ignore[operator]
    found = sentences.read(run)
    reading = found.read(torch.tensor([0, 5, 1799]), 0)
    assert reading.inputs.shape == (3, 20)
    assert found.labels[5] == 5
    assert found.class_names[5] == "weather"
