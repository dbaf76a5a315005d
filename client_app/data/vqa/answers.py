"""What an answer is worth: normalising, scoring and listing annotators' answers.

The rules are those of the VQA challenge's evaluation, https://visualqa.org/evaluation.html.
"""

import re
import string
from collections import Counter
from collections.abc import Iterable, Sequence

ARTICLES = frozenset({"a", "an", "the"})

NUMBERS = {
    "none": "0",
    "zero": "0",
    "one": "1",
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
    "ten": "10",
}

# With so many annotators four that agree are always enough for a full score.
FEWEST_ANNOTATORS = 4

# Whatever belongs inside of words: possessives, and times such as 2:50.
_KEPT = "':"

_LONE_PERIOD = re.compile(r"\.(?!\d)")
_COMMA_IN_NUMBER = re.compile(r"(?<=\d),(?=\d)")
_BLANKED = str.maketrans(dict.fromkeys(set(string.punctuation) - set(_KEPT) - {"."}, " "))


def normalise(answer: str) -> str:
    """Bring an answer to the form in which answers are compared.

    Lower case; periods are removed except before a digit, and commas between digits; other
    punctuation becomes a blank, except apostrophes and colons inside of words; articles are
    removed; number words up to ten become digits, and so does "none". Apostrophes that a
    contraction lacks are not put back, for which the challenge keeps a list.

    Examples
    --------
    >>> normalise(" The red-and-white one. ")
    'red and white 1'
    >>> normalise("1,000.5")
    '1000.5'
    """
    text = _LONE_PERIOD.sub("", answer.lower())
    text = _COMMA_IN_NUMBER.sub("", text).translate(_BLANKED)
    words = (word.strip(_KEPT) for word in text.split())
    return " ".join(NUMBERS.get(word, word) for word in words if word and word not in ARTICLES)


def soft_scores(annotated: Sequence[str]) -> dict[str, float]:
    """Score the answers that annotators gave to one question.

    Of four annotators and more, each who gave an answer adds 0.3, up to 1: that is the
    challenge's mean over leaving one of ten annotators out, rounded. Of fewer, an answer
    scores the part of them who gave it, so that a single answer scores 1 and one of n
    different answers 1/n.

    Parameters
    ----------
    annotated : Sequence[str]
        Normalised answers, one per annotator; an empty one scores nothing and counts as an
        annotator.

    Returns
    -------
    dict[str, float]
        Score in (0, 1] of each answer that was given.

    Examples
    --------
    >>> soft_scores(["red", "red", "pink", "red", "dark red"])
    {'red': 0.9, 'pink': 0.3, 'dark red': 0.3}
    """
    counts = Counter(answer for answer in annotated if answer)
    if len(annotated) < FEWEST_ANNOTATORS:
        return {answer: count / len(annotated) for answer, count in counts.items()}
    return {answer: min(10, 3 * count) / 10 for answer, count in counts.items()}


def most_frequent(annotated: Iterable[Sequence[str]], limit: int) -> tuple[str, ...]:
    """List the answers that annotators gave most often.

    Parameters
    ----------
    annotated : Iterable[Sequence[str]]
        Normalised answers to each question; empty ones are passed over.
    limit : int
        Length of the list, at least 1.

    Returns
    -------
    tuple[str, ...]
        Most frequent first, ties in alphabetical order; fewer than ``limit`` where there
        are no more.
    """
    counts = Counter(answer for given in annotated for answer in given if answer)
    ranked = sorted(counts, key=lambda answer: (-counts[answer], answer))
    return tuple(ranked[:limit])
