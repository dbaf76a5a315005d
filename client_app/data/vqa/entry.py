"""One question as its source has it: which fields mean what, and how their values become text.

Data sets of the field call the same things by many names, and hold answers as one text, as a list
with one per annotator, as numbers, as categories, or as a place among choices. What is not
certain is not guessed: such a question is left out, with the reason.
"""

import ast
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

from client_app.data.vqa.answers import normalise

# Of each kind in the order in which they are tried, in small letters.
PICTURES = (
    *("file_name", "image", "img", "picture", "photo", "image_path", "image_file", "image_name"),
    *("filename", "file", "path"),
)
QUESTIONS = ("question", "query", "question_text", "prompt", "text")
# What all annotators said, before what was made of it.
LISTS = ("answers", "direct_answers")
SINGLE = ("answer", "multiple_choice_answer", "answer_text")
CHOICE = "correct_choice_idx"
# A number without a name may be a category here, or a count.
CATEGORIES = ("label", "labels")
ANSWERS = (*LISTS, *SINGLE, CHOICE, *CATEGORIES)
CHOICES = ("choices", "options")

# Why a question is left out; each reads on from a number.
NO_QUESTION = "without a question"
NO_ANSWER = "without an answer"
NO_CHOICE = "whose answer is none of its choices"
NO_NAME = "whose label is a number without a name"


@final
@dataclass(frozen=True, slots=True)
class Entry:
    """One question.

    Attributes
    ----------
    place : str
        Where its source has it, e.g. ``"line 7"``.
    question : str
        In the words of whoever asks.
    answers : tuple[str, ...]
        One per annotator, in their words.
    picture : str
        What its picture is called; empty where pictures have no names.
    reason : str
        Why it cannot be used; empty where it can.
    """

    place: str
    question: str = ""
    answers: tuple[str, ...] = ()
    picture: str = ""
    reason: str = ""


@final
@dataclass(frozen=True)
class Fields:
    """What a source calls the fields that matter; empty names are of fields that it lacks.

    Attributes
    ----------
    picture, question, answer, choices : str
        Names.
    categories : tuple[str, ...]
        What the numbers of the answer field stand for.
    """

    picture: str = ""
    question: str = ""
    answer: str = ""
    choices: str = ""
    categories: tuple[str, ...] = ()


def fields(names: Iterable[str]) -> Fields:
    """Return which of some names mean what, in capital or small letters.

    Examples
    --------
    >>> fields(["id", "Image", "query", "label"])
    Fields(picture='Image', question='query', answer='label', choices='', categories=())
    """
    every = list(names)
    return Fields(
        first(every, PICTURES),
        first(every, QUESTIONS),
        first(every, ANSWERS),
        first(every, CHOICES),
    )


def first(names: Iterable[str], known: Sequence[str]) -> str:
    """Return the name that comes first among known ones; empty where there is none."""
    by_small: dict[str, str] = {}
    for name in names:
        by_small.setdefault(name.lower(), name)
    return next((by_small[name] for name in known if name in by_small), "")


def entry(row: Mapping[str, object], named: Fields, place: str, picture: str = "") -> Entry:
    """Return one row of a source as a question, or why it is none.

    Parameters
    ----------
    row : Mapping[str, object]
        Values by field.
    named : Fields
        What the fields are called.
    place : str
        Names the row.
    picture : str
        What its picture is called.
    """
    question = row.get(named.question)
    if not isinstance(question, str) or not question.strip():
        return Entry(place, picture=picture, reason=NO_QUESTION)
    given, reason = _answers(row, named)
    if not reason and not any(map(normalise, given)):
        reason = NO_ANSWER
    return Entry(place, question, given, picture, reason)


def text(value: object, categories: Sequence[str] = ()) -> str:
    """Return one answer in words; empty where it is none.

    Numbers are written out, a minus as a word, since punctuation does not count in answers.

    Examples
    --------
    >>> [text(value) for value in ("a cup", 3, 2.0, -0.5, True, None, {"answer": "mug"})]
    ['a cup', '3', '2', 'minus 0.5', 'yes', '', 'mug']
    >>> text(1, ["cat", "dog"])
    'dog'
    """
    if isinstance(value, Mapping):
        value = value.get("answer")
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float) or not math.isfinite(value):
        return ""
    if categories:
        return categories[int(value)] if 0 <= value < len(categories) else ""
    number = f"{abs(value):.12g}" if isinstance(value, float) else str(abs(value))
    return f"minus {number}" if value < 0 else number


def _answers(row: Mapping[str, object], named: Fields) -> tuple[tuple[str, ...], str]:
    """Return the answers of a row, or why it has none."""
    value, name = row.get(named.answer), named.answer.lower()
    if value is None:
        return (), NO_ANSWER
    if name not in LISTS and (named.choices or name == CHOICE):
        chosen = _chosen(value, _listed(row.get(named.choices)))
        return ((chosen,), "") if chosen else ((), NO_CHOICE)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if name in CATEGORIES and is_number and not named.categories:
        return (), NO_NAME
    given = _listed(value) if name in LISTS or not isinstance(value, str) else [value]
    return tuple(text(each, named.categories) for each in given), ""


def _chosen(value: object, choices: Sequence[object]) -> str:
    """Return the choice that is meant: by its text, its place from 0, or its letter."""
    texts = [text(choice) for choice in choices]
    if isinstance(value, int) and not isinstance(value, bool):
        return texts[value] if 0 <= value < len(texts) else ""
    said = text(value)
    if said in texts:
        return said
    letter = ord(said) - ord("A") if len(said) == 1 else -1
    return texts[letter] if 0 <= letter < len(texts) else ""


def _listed(value: object) -> list[object]:
    """Return a value's parts; tables without lists write them as text in brackets."""
    if isinstance(value, str) and value.strip().startswith("["):
        for parse in (json.loads, ast.literal_eval):
            try:
                found = parse(value.strip())
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue
            if isinstance(found, list):
                return found
    if isinstance(value, list | tuple):
        return list(value)
    return [] if value is None else [value]
