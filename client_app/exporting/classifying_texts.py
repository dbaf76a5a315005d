"""Texts through an exported model: one in each line of a file, numbered as in training."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, final

from client_app.data.words import Numbering, words_of
from client_app.exporting import card
from client_app.exporting.classifying import Classified, best_of, classified
from client_app.exporting.opened import Opened
from strategies.common.errors import ModelError
from strategies.common.inputs import Tokens
from strategies.common.run_config import default_config, read_run
from strategies.common.samples import ordered_batches

_BATCH: Final = 64
_SHOWN: Final = 12


@final
@dataclass
class GatheredTexts:
    """The texts to classify.

    Attributes
    ----------
    texts : list[tuple[Path, str]]
        Each with its file and line, as ``FILE:LINE``.
    refused : dict[str, str]
        What was named and holds none, with the reason.
    empty : int
        Lines without a word.
    paths : list[Path]
        The files that were read.
    """

    texts: list[tuple[Path, str]] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    empty: int = 0
    paths: list[Path] = field(default_factory=list)


def gather(named: Iterable[Path]) -> GatheredTexts:
    """Return the texts of files, one in each line that has a word."""
    found = GatheredTexts()
    for place in named:
        try:
            lines = place.read_text("utf-8-sig").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            found.refused[str(place)] = f"expected texts in UTF-8, one in each line: {error}"
            continue
        found.paths.append(place)
        if lines[-1] == "":
            lines.pop()
        for number, line in enumerate(lines, 1):
            if words_of(line):
                found.texts.append((Path(f"{place}:{number}"), line))
            else:
                found.empty += 1
    return found


def numbering_of(opened: Opened, vocabulary_file: str) -> Numbering:
    """Return how the model's words are numbered.

    Parameters
    ----------
    opened : Opened
        A model that reads texts.
    vocabulary_file : str
        The file of words that it was trained with; empty where words are hashed.

    Raises
    ------
    ModelError
        If the model reads none, or its words were numbered by another file, or by nobody knows.
    DataError
        If the file cannot be read.
    """
    what = opened.card.what
    if not isinstance(what, Tokens):
        raise ModelError(f"model of {opened.card.run}: expected one that reads texts, got {what}")
    if opened.card.outputs != card.SCORES:
        raise ModelError(f"model of {opened.card.run}: expected one with scores of classes")
    told: dict[str, bool | int | float | str] = {
        "text-length": what.length,
        "vocabulary": max(what.vocabulary, 2),
        "vocabulary-file": vocabulary_file,
    }
    numbering = Numbering.of(read_run({**default_config(), **told}))
    if not opened.card.words:
        raise ModelError(
            f"model of {opened.card.run}: expected one whose words Nectar numbered, got one that "
            f"was trained on tokens as they were published; load model.safetensors by "
            f"client_app.exporting.opened in a program of your own"
        )
    if numbering.digest != opened.card.words or numbering.size != what.vocabulary:
        got = f"--vocabulary-file {vocabulary_file}" if vocabulary_file else "hashed ones"
        raise ModelError(
            f"model of {opened.card.run}: expected words numbered as when it was trained, by "
            f"sha256 {opened.card.words[:_SHOWN]}, got {got}; name the file of words that the run "
            f"had with --vocabulary-file, or none if it had none"
        )
    return numbering


def classify(
    opened: Opened, numbering: Numbering, texts: Sequence[tuple[Path, str]], top: int
) -> Iterator[Classified]:
    """Classify texts batch by batch, in their order."""
    for rows in ordered_batches(len(texts), _BATCH):
        part = texts[rows]
        inputs, _ = numbering.encode([text for _, text in part])
        for (place, _), best in zip(part, best_of(opened, inputs, top), strict=True):
            yield classified(place, best)
